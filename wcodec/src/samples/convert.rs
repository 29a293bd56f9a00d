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

/// `half`'s widening of F16, written without a branch so that it vectorises.
#[inline]
fn widen_f16(bits: u16) -> f32 {
    const INFINITY: u16 = 0x7c00;
    let magnitude = bits & 0x7fff;
    // The exponent's bias grows by 112; the multiplication is exact, for subnormals too.
    let scaled = f32::from_bits(u32::from(magnitude) << 13) * f32::from_bits((127 + 112) << 23);
    let special = u32::from(magnitude >= INFINITY) * 0x7f80_0000;
    let quiet = u32::from(magnitude > INFINITY) << 22;
    f32::from_bits(scaled.to_bits() | special | quiet | (u32::from(bits & 0x8000) << 16))
}

/// `half`'s rounding to BF16, written without a branch so that it vectorises.
#[inline]
fn narrow_to_bf16(bits: u32) -> u16 {
    let is_nan = bits & 0x7fff_ffff > 0x7f80_0000;
    // To nearest, ties to even: up by just under half, and by the lowest bit that stays.
    let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    let quieted = (bits >> 16) as u16 | 0x40;
    if is_nan { quieted } else { rounded }
}

/// `half`'s rounding to F16, written without a branch so that it vectorises.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the bits above were moved or masked away"
)]
fn narrow_to_f16(bits: u32) -> u16 {
    const INFINITY: u32 = 0x7f80_0000;
    /// 2^-14, the least normal F16.
    const LEAST_NORMAL: u32 = (127 - 14) << 23;
    /// 2^16 less half a unit: from here on everything rounds to infinity.
    const LEAST_OVERFLOW: u32 = 0x477f_f000;
    /// 0.5, whose unit in the last place is that of F16's subnormals.
    const SUBNORMAL_SHIFT: u32 = 126 << 23;
    let magnitude = bits & 0x7fff_ffff;
    // To nearest, ties to even: up by just under half, and by the lowest bit that stays.
    let rounded = magnitude.wrapping_add(0xfff + ((magnitude >> 13) & 1));
    let normal = rounded.wrapping_sub(112 << 23) >> 13;
    // The addition moves the bits that stay to the end and rounds.
    let shifted = f32::from_bits(magnitude) + f32::from_bits(SUBNORMAL_SHIFT);
    let subnormal = shifted.to_bits().wrapping_sub(SUBNORMAL_SHIFT);
    let finite = if magnitude < LEAST_NORMAL {
        subnormal
    } else {
        normal
    };
    let special = if magnitude > INFINITY {
        0x7e00 | ((magnitude >> 13) & 0x3ff)
    } else {
        0x7c00
    };
    let result = if magnitude < LEAST_OVERFLOW {
        finite
    } else {
        special
    };
    (result | ((bits >> 16) & 0x8000)) as u16
}

impl FloatElement for f32 {
    #[inline]
    fn from_bf16(bits: u16) -> Self {
        widen_bf16(bits)
    }
    #[inline]
    fn from_f16(bits: u16) -> Self {
        widen_f16(bits)
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
        Self::from_bits(narrow_to_f16(widen_bf16(bits).to_bits()))
    }
    #[inline]
    fn from_f16(bits: u16) -> Self {
        Self::from_bits(bits)
    }
    #[inline]
    fn from_f32(bits: u32) -> Self {
        Self::from_bits(narrow_to_f16(bits))
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
        Self::from_bits(narrow_to_bf16(widen_f16(bits).to_bits()))
    }
    #[inline]
    fn from_f32(bits: u32) -> Self {
        Self::from_bits(narrow_to_bf16(bits))
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
    fn widening_f16_equals_half_on_every_pattern() {
        for bits in 0..=u16::MAX {
            let expected = f16::from_bits(bits).to_f32().to_bits();
            assert_eq!(widen_f16(bits).to_bits(), expected, "{bits:#06x}");
        }
    }

    #[test]
    fn narrowing_to_bf16_equals_half_around_every_rounding_boundary() {
        for upper in 0..=u16::MAX {
            for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let bits = u32::from(upper) << 16 | lower;
                let expected = bf16::from_f32(f32::from_bits(bits)).to_bits();
                assert_eq!(narrow_to_bf16(bits), expected, "{bits:#010x}");
            }
        }
    }

    #[test]
    fn narrowing_to_f16_equals_half_around_every_rounding_boundary() {
        for upper in 0..=u16::MAX {
            for boundary in (0..0x1_0000u32).step_by(0x1000) {
                for lower in [boundary, boundary + 1, boundary + 0xfff] {
                    let bits = u32::from(upper) << 16 | lower;
                    let expected = f16::from_f32(f32::from_bits(bits)).to_bits();
                    assert_eq!(narrow_to_f16(bits), expected, "{bits:#010x}");
                }
            }
        }
    }

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
