//! Elements as samples, and a sample as a symbol and stored bits (FORMAT.md, section 5).
//!
//! A sample is an unsigned integer of 8, 16, 32 or 64 bits with the bit pattern of an element. A [`Mapping`]
//! moves what is worth coding to its upper bits; [`Split`] says which of these form the symbol and which of the
//! lower ones are stored. Floats keep the sign at the top of the stored bits: it is noise, but the most
//! significant one, so a reader of the upper planes alone still gets it.

mod convert;
mod number;

pub use convert::FloatElement;
pub(crate) use number::{Number, Order};

use crate::error::ErrorKind;
use crate::format::{MAPPING_FLOAT, MAPPING_UNSIGNED, MAPPING_ZIGZAG, SYMBOL_MAX_BITS};

/// How a dtype's bytes become samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SampleForm {
    /// Bytes of one sample: 1, 2, 4 or 8.
    pub(crate) bytes: u8,
    /// The mapping the encoder uses.
    pub(crate) mapping: Mapping,
    /// Explicit significand bits of a float, 0 for an integer.
    pub(crate) fraction_bits: u8,
}

impl SampleForm {
    pub(crate) const fn unsigned(bytes: u8) -> Self {
        Self {
            bytes,
            mapping: Mapping::Unsigned,
            fraction_bits: 0,
        }
    }

    pub(crate) const fn signed(bytes: u8) -> Self {
        Self {
            bytes,
            mapping: Mapping::Zigzag,
            fraction_bits: 0,
        }
    }

    pub(crate) const fn float(bytes: u8, fraction_bits: u8) -> Self {
        Self {
            bytes,
            mapping: Mapping::Float,
            fraction_bits,
        }
    }
}

/// A bijection of the sample's bit patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mapping {
    /// The bits as an unsigned integer.
    Unsigned = MAPPING_UNSIGNED,
    /// Two's complement to unsigned, small magnitudes first: 0, -1, 1, -2, …
    Zigzag = MAPPING_ZIGZAG,
    /// The magnitude bits in order, the sign at the top of the stored bits.
    Float = MAPPING_FLOAT,
}

impl TryFrom<u8> for Mapping {
    type Error = ErrorKind;
    fn try_from(id: u8) -> Result<Self, ErrorKind> {
        match id {
            MAPPING_UNSIGNED => Ok(Self::Unsigned),
            MAPPING_ZIGZAG => Ok(Self::Zigzag),
            MAPPING_FLOAT => Ok(Self::Float),
            _ => Err(ErrorKind::UnsupportedFeature {
                what: "sample mapping",
                id: u32::from(id),
            }),
        }
    }
}

/// Which bits of a mapped sample are coded, stored and zero, from the top:
/// zeros, `symbol_bits`, `stored_bits`, `zero_bits` zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) mapping: Mapping,
    pub(crate) symbol_bits: u8,
    pub(crate) stored_bits: u8,
    pub(crate) zero_bits: u8,
}

impl Split {
    /// Checks the rules of FORMAT.md 5.2 for samples of `sample_bits`.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 5.2).
    pub(crate) fn validated(self, sample_bits: u32) -> Result<Self, ErrorKind> {
        let [symbol, stored, zero] =
            [self.symbol_bits, self.stored_bits, self.zero_bits].map(u32::from);
        let sign_is_stored = self.mapping != Mapping::Float || stored >= 1;
        // The sign is one of the stored bits, so this rule is the same for every mapping.
        let fits = symbol + stored + zero <= sample_bits;
        if (1..=SYMBOL_MAX_BITS).contains(&symbol) && sign_is_stored && fits {
            return Ok(self);
        }
        Err(ErrorKind::Malformed {
            what: "split of the sample's bits",
            rule: "5.2",
        })
    }
}

impl Split {
    /// Checks that it says how many bits a symbol has, and nothing else (FORMAT.md 4.4).
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 4.4).
    pub(crate) fn check_symbols_alone(self) -> Result<(), ErrorKind> {
        let rest = (self.mapping, self.stored_bits, self.zero_bits);
        let is_right = (1..=SYMBOL_MAX_BITS).contains(&u32::from(self.symbol_bits));
        if is_right && rest == (Mapping::Unsigned, 0, 0) {
            return Ok(());
        }
        Err(ErrorKind::Malformed {
            what: "split of the sample's bits",
            rule: "4.4",
        })
    }

    /// Where a symbol begins within the magnitude.
    pub(crate) fn symbol_shift(self) -> u32 {
        let sign = u8::from(self.mapping == Mapping::Float);
        u32::from(self.zero_bits + self.stored_bits - sign)
    }

    /// Runs `work` with a split whose mapping the compiler knows: decided once, outside any loop.
    #[inline(always)]
    pub(crate) fn with_known_mapping<R>(self, work: impl FnOnce(Self) -> R) -> R {
        let known = |mapping| Self { mapping, ..self };
        match self.mapping {
            Mapping::Unsigned => work(known(Mapping::Unsigned)),
            Mapping::Zigzag => work(known(Mapping::Zigzag)),
            Mapping::Float => work(known(Mapping::Float)),
        }
    }
}

/// An unsigned integer with the bits of an element.
pub(crate) trait Sample: Copy + Eq + Send + Sync + std::fmt::Debug + 'static {
    /// The sample's bytes, little-endian.
    type Bytes: Copy + Send + Sync + AsRef<[u8]>;
    const BYTES: usize;
    const BITS: u32;
    const ZERO: Self;
    fn from_bytes(bytes: &[u8]) -> Self;
    fn to_bytes(self) -> Self::Bytes;
    /// Whole samples of `bytes`; a rest is left out.
    fn split_bytes_mut(bytes: &mut [u8]) -> &mut [Self::Bytes];
    /// The low bits of `value`.
    fn from_low_bits(value: u64) -> Self;
    fn widen(self) -> u64;
    /// The bits set in either.
    fn union(self, other: Self) -> Self;
    /// The 16 bits at `shift` and up.
    fn bits_at(self, shift: u32) -> u16;
    /// `value` moved up by `shift`, joined with `self`.
    fn with_bits_at(self, value: u16, shift: u32) -> Self;
    /// The mapped sample's magnitude bits, without the sign of a float.
    fn magnitude(self, mapping: Mapping) -> Self;
    /// The symbol and the stored bits. `split` is valid for this width and covers every set bit of the sample.
    fn forward(self, split: Split) -> (u16, Self);
    /// Inverse of [`forward`](Self::forward).
    fn inverse(symbol: u16, stored: Self, split: Split) -> Self;
}

macro_rules! impl_sample {
    ($($ty:ty, $signed:ty;)*) => {$(
        #[allow(
            clippy::cast_sign_loss, clippy::cast_possible_wrap, clippy::cast_possible_truncation,
            reason = "bit patterns: every cast here keeps or drops bits on purpose"
        )]
        impl Sample for $ty {
            type Bytes = [u8; size_of::<$ty>()];
            const BYTES: usize = size_of::<$ty>();
            const BITS: u32 = <$ty>::BITS;
            const ZERO: Self = 0;

            #[inline]
            fn from_bytes(bytes: &[u8]) -> Self {
                let mut array = [0; size_of::<$ty>()];
                array.copy_from_slice(bytes);
                Self::from_le_bytes(array)
            }

            #[inline]
            fn to_bytes(self) -> Self::Bytes {
                self.to_le_bytes()
            }

            fn split_bytes_mut(bytes: &mut [u8]) -> &mut [Self::Bytes] {
                bytes.as_chunks_mut().0
            }

            fn from_low_bits(value: u64) -> Self {
                value as Self
            }

            #[inline]
            fn widen(self) -> u64 {
                self as u64
            }

            #[inline]
            fn union(self, other: Self) -> Self {
                self | other
            }

            #[inline]
            fn bits_at(self, shift: u32) -> u16 {
                (self >> shift) as u16
            }

            #[inline]
            fn with_bits_at(self, value: u16, shift: u32) -> Self {
                self | ((value as Self) << shift)
            }

            #[inline]
            fn magnitude(self, mapping: Mapping) -> Self {
                match mapping {
                    Mapping::Unsigned => self,
                    Mapping::Zigzag => (self << 1) ^ (((self as $signed) >> (<$ty>::BITS - 1)) as $ty),
                    Mapping::Float => self & (<$ty>::MAX >> 1),
                }
            }

            #[inline]
            fn forward(self, split: Split) -> (u16, Self) {
                let stored_bits = u32::from(split.stored_bits);
                let bits = self.magnitude(split.mapping) >> split.zero_bits;
                let below = stored_bits - u32::from(split.mapping == Mapping::Float);
                let low = bits & (((1 as $ty) << below) - 1);
                let symbol = (bits >> below) as u16;
                if split.mapping == Mapping::Float {
                    (symbol, low | ((self >> (<$ty>::BITS - 1)) << below))
                } else {
                    (symbol, low)
                }
            }

            #[inline(always)]
            fn inverse(symbol: u16, stored: Self, split: Split) -> Self {
                let stored_bits = u32::from(split.stored_bits);
                match split.mapping {
                    Mapping::Unsigned => (stored | ((symbol as $ty) << stored_bits)) << split.zero_bits,
                    Mapping::Zigzag => {
                        let bits = (stored | ((symbol as $ty) << stored_bits)) << split.zero_bits;
                        (bits >> 1) ^ ((bits & 1).wrapping_neg())
                    }
                    Mapping::Float => {
                        let below = stored_bits - 1;
                        let low = stored & (((1 as $ty) << below) - 1);
                        let sign = (stored >> below) << (<$ty>::BITS - 1);
                        sign | ((low | ((symbol as $ty) << below)) << split.zero_bits)
                    }
                }
            }
        }
    )*};
}

impl_sample! { u8, i8; u16, i16; u32, i32; u64, i64; }

/// Runs `$body` with `$S` standing for the sample type of `$bytes` bytes (1, 2, 4 or 8).
macro_rules! with_sample {
    ($bytes:expr, $S:ident => $body:expr) => {
        match $bytes {
            1 => {
                type $S = u8;
                $body
            }
            2 => {
                type $S = u16;
                $body
            }
            4 => {
                type $S = u32;
                $body
            }
            _ => {
                type $S = u64;
                $body
            }
        }
    };
}
pub(crate) use with_sample;

#[cfg(test)]
mod tests;
