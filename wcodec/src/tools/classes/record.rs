//! What a part says of its classes (FORMAT.md, section 5.4).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::Classes;
use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{
    CLASSES_FLOAT, CLASSES_PALETTE, CLASSES_TOKENS, CLASSES_VALUES, SYMBOL_MAX_BITS,
};

impl Classes {
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
}
