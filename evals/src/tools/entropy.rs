//! The entropy of order 0 of codes: what a coder can reach that knows how often each code occurs, and nothing more.

use crate::tensor::Tensor;

/// Bits of one code, if the tensor holds codes of at most 8 bits.
fn code_bits(tensor: &Tensor) -> Option<usize> {
    if tensor.nibbles {
        Some(4)
    } else {
        (tensor.dtype.bitsize() == 8).then_some(8)
    }
}

/// Codes in the tensor, if it holds codes of at most 8 bits.
pub(crate) fn num_codes(tensor: &Tensor) -> Option<u64> {
    code_bits(tensor).map(|bits| (tensor.bytes.len() * 8 / bits) as u64)
}

/// Bits that all codes of a tensor take at its entropy; 0 if it holds none.
pub(crate) fn code_entropy_bits(tensor: &Tensor) -> f64 {
    let mut counts = [0u64; 256];
    match code_bits(tensor) {
        Some(4) => {
            for byte in &tensor.bytes {
                counts[usize::from(byte & 15)] += 1;
                counts[usize::from(byte >> 4)] += 1;
            }
        }
        Some(_) => tensor
            .bytes
            .iter()
            .for_each(|&byte| counts[usize::from(byte)] += 1),
        None => {}
    }
    let total = counts.iter().sum::<u64>() as f64;
    let present = counts.iter().filter(|&&count| count > 0);
    present
        .map(|&count| count as f64 * (total / count as f64).log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::Dtype;

    #[test]
    fn of_known_distributions() {
        let bytes = vec![0x12, 0x12, 0x21, 0x21];
        let tensor = Tensor::new("x", Dtype::U8, &[4], bytes);
        assert_eq!(code_entropy_bits(&tensor), 4.0); // two bytes, equally often
        assert_eq!(num_codes(&tensor), Some(4));
        let tensor = Tensor {
            nibbles: true,
            dtype: Dtype::I32,
            shape: vec![1],
            ..tensor
        };
        assert_eq!(code_entropy_bits(&tensor), 8.0); // two nibbles, equally often
        assert_eq!(num_codes(&tensor), Some(8));
        let tensor = Tensor::new("x", Dtype::BF16, &[2], vec![0, 1, 2, 3]);
        assert_eq!(
            (code_entropy_bits(&tensor), num_codes(&tensor)),
            (0.0, None)
        );
        let tensor = Tensor::new("x", Dtype::I8, &[3], vec![7; 3]);
        assert_eq!(code_entropy_bits(&tensor), 0.0);
    }
}
