//! What the elements of a generated tensor are like.

use super::{Random, weights};
use wcodec::Dtype;

/// A kind of content, for any dtype. Those of floats give integers the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Zeros,
    OneValue,
    Noise,
    /// Roughly normal floats; integers near zero for other dtypes.
    Weights,
    /// Floats of half the mantissa in the full format.
    Upcast,
    NanPayloads,
    SignedZeros,
    Subnormals,
    Infinities,
    /// Every pattern of the upper 16 bits, in order.
    AllPatterns,
    SmallInts,
    NegativeInts,
    Sparse,
    /// A constant stretch, a noisy one, and weights.
    Mixed,
}

impl Content {
    pub(crate) const ALL: [Self; 14] = [
        Self::Zeros,
        Self::OneValue,
        Self::Noise,
        Self::Weights,
        Self::Upcast,
        Self::NanPayloads,
        Self::SignedZeros,
        Self::Subnormals,
        Self::Infinities,
        Self::AllPatterns,
        Self::SmallInts,
        Self::NegativeInts,
        Self::Sparse,
        Self::Mixed,
    ];
}

/// Bytes of a sample, and its exponent and mantissa bits if it is taken for a float.
fn float_form(dtype: Dtype) -> (usize, u32) {
    match dtype {
        Dtype::F16 | Dtype::I16 | Dtype::U16 => (2, 10),
        Dtype::BF16 => (2, 7),
        Dtype::F32 | Dtype::I32 | Dtype::U32 | Dtype::C64 => (4, 23),
        Dtype::F64 | Dtype::I64 | Dtype::U64 => (8, 52),
        _ => (1, 3),
    }
}

/// The bytes of `elems` elements, which fill whole bytes.
pub(crate) fn content(kind: Content, dtype: Dtype, elems: u64, seed: u64) -> Vec<u8> {
    let len = usize::try_from(dtype.bytes_of(elems).expect("whole bytes")).unwrap();
    let (sample_len, mantissa_bits) = float_form(dtype);
    let num = len / sample_len;
    if kind == Content::Mixed {
        let parts = [Content::OneValue, Content::Noise, Content::Weights];
        let mut bytes: Vec<u8> = Vec::new();
        for (number, part) in parts.into_iter().enumerate() {
            let until = len * (number + 1) / 3;
            bytes.extend(
                &content(part, dtype, elems, seed)
                    [bytes.len()..until.next_multiple_of(sample_len).min(len)],
            );
        }
        return bytes;
    }
    if kind == Content::Weights {
        match dtype {
            Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64 => {
                return weights(dtype, num, 0.03, seed);
            }
            Dtype::C64 => return weights(Dtype::F32, num, 0.03, seed),
            _ => {}
        }
    }
    let bits = u32::try_from(sample_len * 8).unwrap();
    let mut random = Random(seed);
    (0..num as u64)
        .flat_map(|i| {
            sample(kind, i, (bits, mantissa_bits), &mut random).to_le_bytes()[..sample_len].to_vec()
        })
        .collect()
}

fn sample(kind: Content, i: u64, (bits, mantissa_bits): (u32, u32), random: &mut Random) -> u64 {
    let (sign, mantissa) = (1 << (bits - 1), (1 << mantissa_bits) - 1);
    let exponent = (sign - 1) & !mantissa;
    let noise = random.bits();
    match kind {
        Content::Zeros => 0,
        Content::OneValue => 0x3f8c_3f8c_3f8c_3f8c,
        Content::Noise | Content::Mixed => noise,
        Content::Weights => (noise & random.bits() & random.bits() & 0x3f).wrapping_sub(4),
        Content::Upcast => {
            (noise & random.bits() & exponent | noise & (sign | mantissa)) >> (mantissa_bits / 2)
                << (mantissa_bits / 2)
        }
        Content::NanPayloads => exponent | noise & (sign | mantissa) | 1,
        Content::SignedZeros => noise & sign,
        Content::Subnormals => noise & (sign | mantissa),
        Content::Infinities => exponent | noise & sign,
        Content::AllPatterns => i << bits.saturating_sub(16),
        Content::SmallInts => noise % 10,
        Content::NegativeInts => (noise % 100).wrapping_neg(),
        Content::Sparse => {
            if noise.is_multiple_of(20) {
                random.bits()
            } else {
                0
            }
        }
    }
}
