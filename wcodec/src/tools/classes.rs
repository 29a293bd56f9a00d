//! A sample as a class, which is coded, and the bits that tell it from the others of its class, which are stored
//! (FORMAT.md, section 5.4). Other than a [`Split`](crate::samples::Split), a class of few samples stores few bits.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::bitplane::stream::{BitReader, BitWriter};
/// log2 of the magnitudes that are tokens of their own.
use crate::format::TOKENS_DIRECT_LOG2 as DIRECT_LOG2;
/// Of larger magnitudes than those with tokens of their own the token has the position of the highest bit, and so many
/// bits below it.
use crate::format::TOKENS_OCTAVE_LOG2 as TOKEN_MANTISSA_BITS;
use crate::samples::Number;

/// How samples are classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Classes {
    /// Every sample, of so many bits, is a class of its own.
    Values { bits: u8 },
    /// By zigzag magnitude: small ones are classes of their own, large ones in four classes an octave (the hybrid
    /// integers of JPEG XL, ISO/IEC 18181-1).
    Tokens { sample_bits: u8 },
    /// The samples that occur, rising, each a class of its own.
    Palette(Vec<u64>),
    /// Zero; then by exponent the samples whose lowest `zero_bits` are zero, and, if `has_full`, those where they are
    /// not.
    Float {
        exponent_bits: u8,
        fraction_bits: u8,
        zero_bits: u8,
        has_full: bool,
    },
}

/// A class, and the bits that tell a sample from the others of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Classified {
    class: u16,
    bits: u64,
    num_bits: u32,
}

impl Classified {
    /// A class of one sample.
    fn alone(class: u16) -> Self {
        Self {
            class,
            bits: 0,
            num_bits: 0,
        }
    }
}

impl Classes {
    /// Number of classes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Values { bits } => 1 << bits,
            Self::Tokens { sample_bits } => {
                let largest = u64::MAX >> (64 - u32::from(*sample_bits));
                usize::from(token(largest).class) + 1
            }
            Self::Palette(values) => values.len(),
            Self::Float {
                exponent_bits,
                has_full,
                ..
            } => 1 + ((1 << exponent_bits) << u32::from(*has_full)),
        }
    }

    /// Bits of a class's number.
    pub(crate) fn symbol_bits(&self) -> u8 {
        let most = self.len().saturating_sub(1).max(1);
        u8::try_from(most.ilog2() + 1).unwrap_or(u8::MAX)
    }

    /// The classes of `samples`, appended to `classes`, and their bits.
    ///
    /// # Panics
    ///
    /// May panic if a sample belongs to no class.
    pub(crate) fn forward<S: Number>(
        &self,
        samples: &[S],
        classes: &mut Vec<u16>,
        bits: &mut BitWriter,
    ) {
        let mut push = |classified: Classified| {
            classes.push(classified.class);
            bits.push(classified.bits, classified.num_bits);
        };
        match self {
            Self::Values { .. } => samples
                .iter()
                .for_each(|sample| push(Classified::alone(sample.bits_at(0)))),
            Self::Tokens { .. } => samples
                .iter()
                .for_each(|sample| push(token(sample.zigzag().widen()))),
            Self::Palette(values) => {
                let places = Places::new(values);
                samples
                    .iter()
                    .for_each(|sample| push(Classified::alone(places.find(sample.widen()))));
            }
            &Self::Float {
                fraction_bits,
                zero_bits,
                has_full,
                ..
            } => {
                let form = FloatForm::new(fraction_bits, zero_bits, has_full);
                samples
                    .iter()
                    .for_each(|sample| push(form.forward(sample.widen(), S::BITS)));
            }
        }
    }

    /// The samples of `classes`, with their `bits`. Classes that there are not stand for any sample.
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(crate) fn inverse<S: Number>(
        &self,
        classes: &[u16],
        bits: &mut BitReader<'_>,
        out: &mut [S],
    ) {
        let pairs = out.iter_mut().zip(classes);
        match self {
            Self::Values { .. } => {
                pairs.for_each(|(out, &class)| *out = S::ZERO.with_bits_at(class, 0))
            }
            Self::Tokens { .. } => pairs.for_each(|(out, &class)| {
                let (base, num_bits) = of_token(class);
                *out = S::from_low_bits(base | bits.pull(num_bits)).unzigzag();
            }),
            Self::Palette(values) => pairs.for_each(|(out, &class)| {
                let value = values.get(usize::from(class)).copied();
                *out = S::from_low_bits(value.unwrap_or(0));
            }),
            &Self::Float {
                fraction_bits,
                zero_bits,
                has_full,
                ..
            } => {
                let form = FloatForm::new(fraction_bits, zero_bits, has_full);
                pairs.for_each(|(out, &class)| {
                    *out = S::from_low_bits(form.inverse(class, bits, S::BITS))
                });
            }
        }
    }
}

/// The token of a magnitude.
fn token(magnitude: u64) -> Classified {
    let (class, num_bits) = match magnitude >> DIRECT_LOG2 {
        0 => (magnitude, 0),
        _ => {
            let num_bits = magnitude.ilog2() - TOKEN_MANTISSA_BITS;
            let octave = u64::from(magnitude.ilog2() - DIRECT_LOG2);
            let mantissa = (magnitude >> num_bits) & ((1 << TOKEN_MANTISSA_BITS) - 1);
            (
                (1 << DIRECT_LOG2) + (octave << TOKEN_MANTISSA_BITS) + mantissa,
                num_bits,
            )
        }
    };
    Classified {
        // At most 255.
        class: u16::try_from(class).unwrap_or(u16::MAX),
        bits: magnitude & ((1 << num_bits) - 1),
        num_bits,
    }
}

/// The smallest magnitude of a token, and how many bits tell it from the others.
fn of_token(class: u16) -> (u64, u32) {
    let class = u32::from(class);
    let Some(beyond) = class.checked_sub(1 << DIRECT_LOG2) else {
        return (class.into(), 0);
    };
    let mantissa = u64::from(beyond & ((1 << TOKEN_MANTISSA_BITS) - 1));
    let top = (DIRECT_LOG2 + (beyond >> TOKEN_MANTISSA_BITS)).min(63);
    let num_bits = top - TOKEN_MANTISSA_BITS;
    (
        ((1 << TOKEN_MANTISSA_BITS) | mantissa) << num_bits,
        num_bits,
    )
}

/// [`Classes::Float`], unpacked.
#[derive(Debug, Clone, Copy)]
struct FloatForm {
    fraction_bits: u32,
    zero_bits: u32,
    has_full: bool,
}

impl FloatForm {
    fn new(fraction_bits: u8, zero_bits: u8, has_full: bool) -> Self {
        Self {
            fraction_bits: fraction_bits.into(),
            zero_bits: zero_bits.into(),
            has_full,
        }
    }

    fn forward(self, sample: u64, sample_bits: u32) -> Classified {
        if sample == 0 {
            return Classified::alone(0);
        }
        let fraction = sample & ((1 << self.fraction_bits) - 1);
        let exponent =
            (sample >> self.fraction_bits) & ((1 << (sample_bits - 1 - self.fraction_bits)) - 1);
        let is_full = self.has_full && fraction & ((1 << self.zero_bits) - 1) != 0;
        let class = 1 + (exponent << u32::from(self.has_full)) + u64::from(is_full);
        let zero_bits = if is_full { 0 } else { self.zero_bits };
        let below = self.fraction_bits - zero_bits;
        Classified {
            class: u16::try_from(class).unwrap_or(u16::MAX),
            bits: (fraction >> zero_bits) | (sample >> (sample_bits - 1) << below),
            num_bits: 1 + below,
        }
    }

    fn inverse(self, class: u16, bits: &mut BitReader<'_>, sample_bits: u32) -> u64 {
        let Some(class) = u64::from(class).checked_sub(1) else {
            return 0;
        };
        let is_full = self.has_full && class & 1 == 1;
        let exponent = class >> u32::from(self.has_full);
        let zero_bits = if is_full { 0 } else { self.zero_bits };
        let below = self.fraction_bits - zero_bits;
        let (fraction, sign) = (bits.pull(below) << zero_bits, bits.pull(1));
        fraction | (exponent << self.fraction_bits) | (sign << (sample_bits - 1))
    }
}

/// Where each value of a palette is in it: open addressing, at most half full.
struct Places {
    keys: Vec<(u64, u16)>,
    shift: u32,
}

const NO_PLACE: u16 = u16::MAX;

impl Places {
    fn new(values: &[u64]) -> Self {
        let log2 = (2 * values.len().max(1)).next_power_of_two().ilog2();
        let mut places = Self {
            keys: vec![(0, NO_PLACE); 1 << log2],
            shift: 64 - log2,
        };
        for (value, place) in values.iter().zip(0..) {
            let at = places.at(*value);
            if let Some(key) = places.keys.get_mut(at) {
                *key = (*value, place);
            }
        }
        places
    }

    /// Where `value` is, or would go.
    fn at(&self, value: u64) -> usize {
        let hash = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Below the length.
        let mut at = usize::try_from(hash >> self.shift).unwrap_or(0);
        while let Some((key, place)) = self.keys.get(at) {
            if *place == NO_PLACE || *key == value {
                break;
            }
            at = (at + 1) % self.keys.len();
        }
        at
    }

    fn find(&self, value: u64) -> u16 {
        self.keys.get(self.at(value)).map_or(NO_PLACE, |key| key.1)
    }
}

mod record;
#[cfg(test)]
mod tests;
