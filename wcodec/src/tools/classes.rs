//! A sample as a class, which is coded, and the bits that tell it from the others of its class, which are stored
//! (FORMAT.md, section 5.4). Other than a [`Split`](crate::samples::Split), a class of few samples stores few bits.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::bitplane::stream::{BitReader, BitWriter};
use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{
    CLASSES_FLOAT, CLASSES_PALETTE, CLASSES_TOKENS, CLASSES_VALUES, SYMBOL_MAX_BITS,
};
use crate::samples::Number;

/// Numbers below 2^4 are tokens of their own.
const DIRECT_LOG2: u32 = 4;
/// Of larger ones the token has the position of the highest bit, and so many bits below it.
const TOKEN_MANTISSA_BITS: u32 = 2;

/// How samples are classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Classes {
    /// Every sample, of so many bits, is a class of its own.
    Values { bits: u8 },
    /// By zigzag magnitude: small ones are classes of their own, large ones in four classes an octave (the hybrid integers of
    /// JPEG XL, ISO/IEC 18181-1).
    Tokens { sample_bits: u8 },
    /// The samples that occur, rising, each a class of its own.
    Palette(Vec<u64>),
    /// Zero; then by exponent the samples whose lowest `zero_bits` are zero, and, if `has_full`, those where they are not.
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

    /// Reads what a part says of its classes, for samples of `sample_bits`.
    ///
    /// # Errors
    ///
    /// `Truncated`; `UnsupportedFeature` for an unknown kind; `Malformed` (rule 5.4).
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(crate) fn read(src: &mut ByteReader<'_>, sample_bits: u8) -> Result<Self, ErrorKind> {
        let malformed = |what| ErrorKind::Malformed { what, rule: "5.4" };
        match src.u8("kind of classes")? {
            CLASSES_VALUES if u32::from(sample_bits) <= SYMBOL_MAX_BITS => {
                Ok(Self::Values { bits: sample_bits })
            }
            CLASSES_VALUES => Err(malformed("classes of values")),
            CLASSES_TOKENS if sample_bits >= 8 => Ok(Self::Tokens { sample_bits }),
            CLASSES_TOKENS => Err(malformed("classes of tokens")),
            CLASSES_PALETTE => {
                let most = src.u16("number of a palette's values")?;
                let sample_bytes = usize::from(sample_bits / 8);
                let mut values = Vec::new();
                for _ in 0..=most {
                    let mut bytes = [0; 8];
                    let value = src.take("value of a palette", sample_bytes)?;
                    bytes
                        .iter_mut()
                        .zip(value)
                        .for_each(|(to, from)| *to = *from);
                    values.push(u64::from_le_bytes(bytes));
                }
                let rise = values.is_sorted_by(|a, b| a < b);
                if sample_bits < 8 || !rise || values.len() > 1 << SYMBOL_MAX_BITS {
                    return Err(malformed("palette"));
                }
                Ok(Self::Palette(values))
            }
            CLASSES_FLOAT => {
                let [fraction_bits, zero_bits, has_full] = src.bytes("classes of floats")?;
                let exponent_bits = sample_bits
                    .checked_sub(1)
                    .and_then(|bits| bits.checked_sub(fraction_bits));
                let exponent_bits = exponent_bits
                    .filter(|bits| {
                        let is_known = zero_bits <= fraction_bits && has_full <= 1;
                        sample_bits >= 8 && (1..=12).contains(bits) && is_known
                    })
                    .ok_or(malformed("classes of floats"))?;
                Ok(Self::Float {
                    exponent_bits,
                    fraction_bits,
                    zero_bits,
                    has_full: has_full == 1,
                })
            }
            id => Err(ErrorKind::UnsupportedFeature {
                what: "kind of classes",
                id: u32::from(id),
            }),
        }
    }

    /// Appends what [`read`](Self::read) reads.
    pub(crate) fn write(&self, sample_bits: u8, out: &mut Vec<u8>) {
        match self {
            Self::Values { .. } => out.push(CLASSES_VALUES),
            Self::Tokens { .. } => out.push(CLASSES_TOKENS),
            Self::Palette(values) => {
                out.push(CLASSES_PALETTE);
                // At most 2^14 values, at least one.
                let most = u16::try_from(values.len().saturating_sub(1)).unwrap_or(u16::MAX);
                out.extend(most.to_le_bytes());
                let sample_bytes = usize::from(sample_bits / 8);
                for value in values {
                    out.extend(value.to_le_bytes().iter().take(sample_bytes));
                }
            }
            Self::Float {
                fraction_bits,
                zero_bits,
                has_full,
                ..
            } => out.extend([
                CLASSES_FLOAT,
                *fraction_bits,
                *zero_bits,
                u8::from(*has_full),
            ]),
        }
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
                let form = FloatForm {
                    fraction_bits: fraction_bits.into(),
                    zero_bits: zero_bits.into(),
                    has_full,
                };
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
                let form = FloatForm {
                    fraction_bits: fraction_bits.into(),
                    zero_bits: zero_bits.into(),
                    has_full,
                };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;

    /// Classifies samples and puts them together again; the bits that took.
    fn round_trip<S: Number>(classes: &Classes, samples: &[S]) -> (Vec<u16>, usize) {
        let (mut found, mut bits) = (Vec::new(), BitWriter::default());
        classes.forward(samples, &mut found, &mut bits);
        assert!(
            found
                .iter()
                .all(|&class| usize::from(class) < classes.len())
        );
        let bytes = bits.finish().to_vec();
        let mut reader = BitReader::new(&bytes);
        let mut back = vec![S::ZERO; samples.len()];
        classes.inverse(&found, &mut reader, &mut back);
        assert!(reader.is_exhausted());
        assert_eq!(back, samples);
        let mut written = Vec::new();
        let sample_bits = u8::try_from(S::BITS).unwrap();
        classes.write(sample_bits, &mut written);
        let mut src = ByteReader::new(&written);
        assert_eq!(&Classes::read(&mut src, sample_bits).unwrap(), classes);
        assert!(src.rest().is_empty());
        assert!(classes.len() <= 1 << classes.symbol_bits());
        (found, bytes.len())
    }

    #[test]
    fn every_pattern_of_16_bits_in_every_form() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        round_trip(&Classes::Tokens { sample_bits: 16 }, &all);
        for fraction_bits in [7, 10] {
            for (zero_bits, has_full) in [(0, false), (0, true), (3, true), (7, true)] {
                let classes = Classes::Float {
                    exponent_bits: 15 - fraction_bits,
                    fraction_bits,
                    zero_bits,
                    has_full,
                };
                round_trip(&classes, &all);
            }
        }
    }

    #[test]
    fn wide_samples() {
        let numbers = |i: u32| u64::MAX.rotate_left(i * 7) >> (i % 64) ^ u64::from(i);
        let wide: Vec<u64> = (0..4000)
            .map(numbers)
            .chain([0, 1, u64::MAX, 1 << 63])
            .collect();
        let (found, _) = round_trip(&Classes::Tokens { sample_bits: 64 }, &wide);
        assert_eq!(found.iter().max(), Some(&255));
        let narrow: Vec<u32> = wide.iter().map(|wide| u32::from_low_bits(*wide)).collect();
        round_trip(&Classes::Tokens { sample_bits: 32 }, &narrow);
        let double = Classes::Float {
            exponent_bits: 11,
            fraction_bits: 52,
            zero_bits: 29,
            has_full: true,
        };
        round_trip(&double, &wide);
        let bytes: Vec<u8> = (0..=255).collect();
        round_trip(&Classes::Tokens { sample_bits: 8 }, &bytes);
        round_trip(&Classes::Values { bits: 8 }, &bytes);
    }

    #[test]
    fn zeros_and_short_floats_store_few_bits() {
        let upcast = Classes::Float {
            exponent_bits: 8,
            fraction_bits: 23,
            zero_bits: 16,
            has_full: true,
        };
        assert_eq!(round_trip(&upcast, &vec![0u32; 1000]).1, 0);
        assert_eq!(round_trip(&upcast, &vec![0xbf81_0000u32; 1000]).1, 1000);
        assert_eq!(round_trip(&upcast, &vec![0xbf81_0001u32; 1000]).1, 3000);
    }

    #[test]
    fn a_palette_has_each_value_once() {
        let samples: Vec<u32> = (0..5000u32)
            .map(|i| (i % 200).wrapping_mul(0x0101_4001))
            .collect();
        let mut values: Vec<u64> = samples.iter().map(|&sample| sample.into()).collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(round_trip(&Classes::Palette(values.clone()), &samples).1, 0);
        let refused = |bytes: &[u8], bits| {
            Classes::read(&mut ByteReader::new(bytes), bits)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[CLASSES_PALETTE, 1, 0, 7, 0, 7, 0], 16).contains("palette"));
        assert!(refused(&[CLASSES_PALETTE, 1, 0, 7, 0, 7], 16).contains("truncated"));
        assert!(refused(&[CLASSES_FLOAT, 10, 11, 0], 16).contains("floats"));
        assert!(refused(&[CLASSES_FLOAT, 15, 0, 0], 16).contains("floats"));
        assert!(refused(&[CLASSES_FLOAT, 2, 0, 0], 16).contains("floats"));
        assert!(refused(&[CLASSES_VALUES], 16).contains("values"));
        assert!(refused(&[9], 16).contains("kind of classes"));
    }
}
