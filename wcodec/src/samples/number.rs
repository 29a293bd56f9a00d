//! Samples as signed numbers modulo 2^n (FORMAT.md, section 5.5).
//!
//! Prediction and transforms add, subtract and scale n-bit numbers in two's complement and keep the low n bits of
//! every result. Nothing saturates and nothing needs headroom, so each step can be undone for every bit pattern.

use super::Sample;
use crate::error::ErrorKind;
use crate::format::{
    LIFTING_FRACTION_BITS as FRACTION_BITS, ORDER_FLOAT, ORDER_SIGNED, ORDER_UNSIGNED,
};

/// How a dtype's bit patterns become numbers that rise with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    /// Two's complement already.
    Signed = ORDER_SIGNED,
    /// The top bit changes, so that 0 is the least number.
    Unsigned = ORDER_UNSIGNED,
    /// Under a set sign the other bits change, so that larger magnitudes come first.
    Float = ORDER_FLOAT,
}

impl Order {
    pub(crate) const ALL: [Self; 3] = [Self::Signed, Self::Unsigned, Self::Float];
}

impl TryFrom<u8> for Order {
    type Error = ErrorKind;
    fn try_from(id: u8) -> Result<Self, ErrorKind> {
        let known = Self::ALL.into_iter().find(|order| *order as u8 == id);
        known.ok_or(ErrorKind::UnsupportedFeature {
            what: "order of samples",
            id: u32::from(id),
        })
    }
}

/// A sample as the bit pattern of a signed number of as many bits.
pub(crate) trait Number: Sample {
    /// The low bits of the sum.
    fn plus(self, other: Self) -> Self;
    /// The low bits of the difference.
    fn minus(self, other: Self) -> Self;
    /// Half the sum of two numbers, rounded down. It always fits.
    fn average(self, other: Self) -> Self;
    /// The number times `factor` / 2^14, to nearest and halves up.
    fn scaled(self, factor: i16) -> Self;
    #[cfg(test)]
    fn signed(self) -> i64;
    /// The low bits of `value`.
    #[cfg(test)]
    fn truncated(value: i64) -> Self;
    /// Small magnitudes first: 0, -1, 1, -2, … become 0, 1, 2, 3, …
    fn zigzag(self) -> Self;
    /// Inverse of [`zigzag`](Self::zigzag).
    fn unzigzag(self) -> Self;
    /// A dtype's bit pattern as a number that rises with the value, and back: it is its own inverse.
    fn ordered(self, order: Order) -> Self;
}

macro_rules! impl_number {
    ($($ty:ty, $signed:ty, $product:ty;)*) => {$(
        #[allow(
            clippy::cast_sign_loss, clippy::cast_possible_wrap, clippy::cast_possible_truncation,
            clippy::cast_lossless,
            reason = "bit patterns: every cast here keeps, extends or drops bits on purpose"
        )]
        impl Number for $ty {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn average(self, other: Self) -> Self {
                // The bits of both, and half of those of one: no carry is lost.
                let halves = ((self ^ other) as $signed >> 1) as $ty;
                (self & other).wrapping_add(halves)
            }

            #[inline(always)]
            fn scaled(self, factor: i16) -> Self {
                const HALF: $product = 1 << (FRACTION_BITS - 1);
                // A factor has one bit more than half the product has left over.
                let product = (self as $signed as $product) * (factor as $product);
                ((product + HALF) >> FRACTION_BITS) as $ty
            }

            #[cfg(test)]
            fn signed(self) -> i64 {
                self as $signed as i64
            }

            #[cfg(test)]
            fn truncated(value: i64) -> Self {
                value as $ty
            }

            #[inline(always)]
            fn zigzag(self) -> Self {
                (self << 1) ^ ((self as $signed >> (Self::BITS - 1)) as $ty)
            }

            #[inline(always)]
            fn unzigzag(self) -> Self {
                (self >> 1) ^ (self & 1).wrapping_neg()
            }

            #[inline(always)]
            fn ordered(self, order: Order) -> Self {
                match order {
                    Order::Signed => self,
                    Order::Unsigned => self ^ (1 << (Self::BITS - 1)),
                    // The sign in every place but its own.
                    Order::Float => self ^ ((self as $signed >> (Self::BITS - 1)) as $ty >> 1),
                }
            }
        }
    )*};
}

impl_number! { u8, i8, i32; u16, i16, i32; u32, i32, i64; u64, i64, i128; }

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn eight_bits_agree_with_wide_arithmetic_on_every_pair() {
        for a in 0..=u8::MAX {
            for b in 0..=u8::MAX {
                let (x, y) = (a.signed(), b.signed());
                assert_eq!(a.plus(b), u8::truncated(x + y));
                assert_eq!(a.minus(b), u8::truncated(x - y));
                assert_eq!(a.average(b).signed(), (x + y).div_euclid(2), "{x} {y}");
            }
        }
    }

    fn check_edges<S: Number>() {
        let least = i64::MIN >> (64 - S::BITS);
        for value in [least, least + 1, -2, -1, 0, 1, 2, -(least + 1)] {
            let number = S::truncated(value);
            assert_eq!(number.signed(), value);
            assert_eq!(number.average(number), number);
            assert_eq!(number.zigzag().unzigzag(), number);
            let folded = if value < 0 { !(value << 1) } else { value << 1 };
            assert_eq!(number.zigzag(), S::truncated(folded));
            for factor in [i16::MIN, -11_585, -1, 0, 1, 8192, 16384, i16::MAX] {
                let exact = (i128::from(value) * i128::from(factor) + 8192).div_euclid(16384);
                let expected =
                    S::truncated(i64::try_from(exact & i128::from(u64::MAX >> 1)).unwrap());
                let top = S::truncated(i64::try_from((exact >> 63) & 1).unwrap() << 63);
                assert_eq!(
                    number.scaled(factor),
                    expected.union(top),
                    "{value} {factor}"
                );
            }
            for order in Order::ALL {
                assert_eq!(number.ordered(order).ordered(order), number);
            }
        }
        assert_eq!(
            S::truncated(least)
                .average(S::truncated(-(least + 1)))
                .signed(),
            -1
        );
        assert_eq!(
            S::truncated(least).minus(S::truncated(1)).signed(),
            -(least + 1)
        );
    }

    #[test]
    fn every_width_wraps_at_its_edges() {
        check_edges::<u8>();
        check_edges::<u16>();
        check_edges::<u32>();
        check_edges::<u64>();
    }

    #[test]
    fn ordered_numbers_rise_with_the_value() {
        for bits in 0..=u16::MAX {
            assert_eq!(bits.ordered(Order::Signed), bits);
            assert_eq!(
                bits.ordered(Order::Unsigned).signed(),
                i64::from(bits) - 32_768
            );
        }
        let mut patterns: Vec<u16> = (0..=u16::MAX).collect();
        patterns.sort_unstable_by_key(|bits| bits.ordered(Order::Float).signed());
        for pair in patterns.windows(2) {
            let [below, above] = [pair[0], pair[1]];
            assert!(
                bf16::from_bits(below)
                    .total_cmp(&bf16::from_bits(above))
                    .is_lt()
            );
            assert!(
                f16::from_bits(below)
                    .total_cmp(&f16::from_bits(above))
                    .is_lt()
            );
        }
    }

    #[test]
    fn ids_are_fixed_and_others_unsupported() {
        for (id, order) in (0..).zip(Order::ALL) {
            assert_eq!(Order::try_from(id).unwrap(), order);
        }
        let error = Order::try_from(3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "order of samples 3 is not supported by this build; upgrade wcodec"
        );
    }
}
