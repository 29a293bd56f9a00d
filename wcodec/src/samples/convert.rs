//! Float elements into the dtype the caller asks for, bit for bit as candle's cast does it.
//!
//! candle casts through the `half` crate: widening quiets signalling NaNs, narrowing rounds to nearest, ties to
//! even. The conversions here call the same functions, or are tested against them on every input.

use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
}

/// A float type that [`Reader::decode_floats`](crate::Reader::decode_floats) decodes into.
pub trait FloatElement: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The value of a BF16 element.
    fn from_bf16(bits: u16) -> Self;
    /// The value of an F16 element.
    fn from_f16(bits: u16) -> Self;
    /// The value of an F32 element.
    fn from_f32(bits: u32) -> Self;
    /// The value of an F64 element.
    fn from_f64(bits: u64) -> Self;
}

/// `half`'s widening of BF16, written without a branch so that it vectorises.
#[inline]
fn widen_bf16(bits: u16) -> f32 {
    let is_nan = u32::from(bits & 0x7fff > 0x7f80);
    f32::from_bits((u32::from(bits) | (is_nan << 6)) << 16)
}

impl FloatElement for f32 {
    #[inline]
    fn from_bf16(bits: u16) -> Self {
        widen_bf16(bits)
    }
    #[inline]
    fn from_f16(bits: u16) -> Self {
        f16::from_bits(bits).to_f32()
    }
    #[inline]
    fn from_f32(bits: u32) -> Self {
        Self::from_bits(bits)
    }
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast is the conversion asked for"
    )]
    fn from_f64(bits: u64) -> Self {
        f64::from_bits(bits) as Self
    }
}

impl FloatElement for f16 {
    #[inline]
    fn from_bf16(bits: u16) -> Self {
        Self::from_f32(widen_bf16(bits))
    }
    #[inline]
    fn from_f16(bits: u16) -> Self {
        Self::from_bits(bits)
    }
    #[inline]
    fn from_f32(bits: u32) -> Self {
        Self::from_f32(f32::from_bits(bits))
    }
    #[inline]
    fn from_f64(bits: u64) -> Self {
        Self::from_f64(f64::from_bits(bits))
    }
}

impl FloatElement for bf16 {
    #[inline]
    fn from_bf16(bits: u16) -> Self {
        Self::from_bits(bits)
    }
    #[inline]
    fn from_f16(bits: u16) -> Self {
        Self::from_f32(f16::from_bits(bits).to_f32())
    }
    #[inline]
    fn from_f32(bits: u32) -> Self {
        Self::from_f32(f32::from_bits(bits))
    }
    #[inline]
    fn from_f64(bits: u64) -> Self {
        Self::from_f64(f64::from_bits(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_bf16_equals_half_on_every_pattern() {
        for bits in 0..=u16::MAX {
            assert_eq!(
                widen_bf16(bits).to_bits(),
                bf16::from_bits(bits).to_f32().to_bits(),
                "{bits:#06x}"
            );
        }
    }
}
