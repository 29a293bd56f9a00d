//! Quantised versions of float matrices, as checkpoints in those formats hold them.

use half::f16;
use safetensors::Dtype;

/// A quantised matrix and its scales: dtype and bytes of each.
pub(crate) struct Quantised {
    pub(crate) codes: (Dtype, Vec<u8>),
    pub(crate) scales: (Dtype, Vec<u8>),
}

/// A way to quantise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// INT8, one scale a tensor.
    Int8Tensor,
    /// INT8, one scale a row.
    Int8Row,
    /// INT4, two to a byte, one scale for each 128 weights.
    Int4Group128,
    /// FP8 E4M3, one scale a row.
    Fp8Row,
}

impl Scheme {
    pub(crate) const ALL: [Self; 4] = [
        Self::Int8Tensor,
        Self::Int8Row,
        Self::Int4Group128,
        Self::Fp8Row,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int8Tensor => "INT8 per tensor",
            Self::Int8Row => "INT8 per row",
            Self::Int4Group128 => "INT4, groups of 128",
            Self::Fp8Row => "FP8 E4M3 per row",
        }
    }

    /// Quantises a matrix of rows of `columns` weights, by the largest magnitude of each group.
    pub(crate) fn apply(self, weights: &[f32], columns: usize) -> Quantised {
        let group = match self {
            Self::Int8Tensor => weights.len(),
            Self::Int8Row | Self::Fp8Row => columns,
            Self::Int4Group128 => 128,
        };
        let top = match self {
            Self::Int8Tensor | Self::Int8Row => 127.0,
            Self::Int4Group128 => 7.0,
            Self::Fp8Row => 448.0,
        };
        let mut scales = Vec::new();
        let mut codes = Vec::new();
        for group in weights.chunks(group.max(1)) {
            let largest = group
                .iter()
                .fold(0f32, |largest, weight| largest.max(weight.abs()));
            let scale = if largest > 0.0 { largest / top } else { 1.0 };
            scales.extend(f16::from_f32(scale).to_le_bytes());
            codes.extend(group.iter().map(|weight| self.code(weight / scale)));
        }
        let codes = match self {
            Self::Int4Group128 => {
                let packed = codes
                    .chunks(2)
                    .map(|pair| (pair[0] & 15) | (pair.get(1).map_or(0, |high| high & 15) << 4));
                (Dtype::U8, packed.collect())
            }
            Self::Fp8Row => (Dtype::F8_E4M3, codes),
            Self::Int8Tensor | Self::Int8Row => (Dtype::I8, codes),
        };
        Quantised {
            codes,
            scales: (Dtype::F16, scales),
        }
    }

    /// The byte of one scaled weight.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is rounded and in range"
    )]
    fn code(self, scaled: f32) -> u8 {
        match self {
            Self::Int8Tensor | Self::Int8Row => {
                scaled.round_ties_even().clamp(-127.0, 127.0) as i8 as u8
            }
            // Unsigned with a zero point of 8, as GPTQ and AWQ store it.
            Self::Int4Group128 => (scaled.round_ties_even().clamp(-8.0, 7.0) + 8.0) as u8,
            Self::Fp8Row => e4m3(scaled),
        }
    }
}

/// The E4M3 code nearest to `value` (ties to even), saturating at 448 (Micikevicius et al., arXiv:2209.05433).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is rounded and in range"
)]
fn e4m3(value: f32) -> u8 {
    let sign = if value.is_sign_negative() { 0x80 } else { 0 };
    let magnitude = value.abs().min(448.0);
    // Exponent of the binade, not below that of the subnormals.
    let exponent = (magnitude.to_bits() >> 23) as i32 - 127;
    let exponent = exponent.max(-6);
    let steps = (magnitude / 2f32.powi(exponent - 3)).round_ties_even() as u32; // 8 to 16 in a normal binade
    let biased = u32::try_from(exponent + 7).unwrap_or(0);
    // A carry out of the mantissa moves into the exponent by itself; subnormals have no implicit 8.
    let code = (biased << 3) + steps - 8;
    sign | code.min(0x7e) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4m3_of_known_values() {
        let cases = [
            (0.0, 0),
            (1.0, 0x38),
            (-1.0, 0xb8),
            (448.0, 0x7e),
            (1e6, 0x7e),
            (0.001_953_125, 1),
            (1.0625, 0x38),
            (1.1875, 0x3a),
        ];
        for (value, code) in cases {
            assert_eq!(e4m3(value), code, "{value}");
        }
        // Every code is nearest to its own value.
        for code in 0..0x7fu8 {
            let (exponent, mantissa) = (i32::from(code >> 3), f32::from(code & 7));
            let value = if exponent == 0 {
                mantissa * 2f32.powi(-9)
            } else {
                (8.0 + mantissa) * 2f32.powi(exponent - 10)
            };
            assert_eq!(e4m3(value), code);
        }
    }

    #[test]
    fn the_largest_weight_gets_the_largest_code() {
        let int8 = Scheme::Int8Row.apply(&[64.0, -127.0, 31.6, 0.0], 4);
        assert_eq!(int8.codes.1, [64, 129, 32, 0]);
        let int4 = Scheme::Int4Group128.apply(&[4.0, -7.0, 2.4, 0.0], 4);
        assert_eq!(int4.codes.1, [12 | 1 << 4, 10 | 8 << 4]);
    }
}
