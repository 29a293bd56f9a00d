//! The coding tools of structured tensors (FORMAT.md, section 4.4): prediction, a transform, classes and contexts, one
//! after the other, on the samples of a chunk. Weight matrices need none of them; they are coded as
//! [`chunk`](crate::chunk) says.

mod classes;
mod contexts;
mod decode;
mod encode;
mod tiles;

pub(crate) use crate::format::NIBBLE_BITS;
pub(crate) use classes::Classes;
pub(crate) use contexts::{Contexts, Kind as ContextsKind};
pub(crate) use decode::{Coded, decode};
pub(crate) use encode::{Forward, encode};

use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{RECURRENCE_MAX_ROW, RECURRENCE_PREDICTOR, ROW_MAX_UNITS, TILES_PREDICTOR};
use crate::predict::{FloatFormat, Predictor, Recurrence};
use crate::samples::Order;
use crate::transform::Transform;
use std::fmt;

/// Which predictor a part uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prediction {
    /// One for all samples.
    Whole(Predictor),
    /// One for each tile, said in each chunk.
    Tiles,
    /// Each column's values as an oscillation.
    Recurrence(Recurrence),
}

/// What is done to the samples of a part's chunks, in this order when encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tools {
    /// Bits of what is classified: those of a sample, or 4, two to a byte.
    pub(crate) unit_bits: u8,
    /// Whether samples become numbers that rise with the elements' values, and from which form; needed for what
    /// follows.
    pub(crate) order: Option<Order>,
    pub(crate) prediction: Prediction,
    pub(crate) transform: Transform,
    pub(crate) classes: Classes,
    pub(crate) contexts: Contexts,
    /// Units of a row, where a chunk is seen as rows.
    pub(crate) row: u32,
}

#[cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]
impl Tools {
    /// Whether samples are predicted or transformed, and therefore have an order.
    pub(crate) fn has_numbers(&self) -> bool {
        self.prediction != Prediction::Whole(Predictor::None) || self.transform != Transform::None
    }

    /// Whether a chunk's rows matter.
    pub(crate) fn has_rows(&self) -> bool {
        self.has_numbers() || self.contexts.has_rows()
    }

    /// Units of `num_samples` samples of `sample_bytes`.
    pub(crate) fn units(&self, num_samples: usize, sample_bytes: usize) -> usize {
        if self.unit_bits == NIBBLE_BITS {
            num_samples.saturating_mul(sample_bytes).saturating_mul(2)
        } else {
            num_samples
        }
    }

    /// Reads and checks the record of a part with samples of `sample_bytes`, `num_tables` tables and `symbol_bits`.
    ///
    /// # Errors
    ///
    /// `Truncated`; `UnsupportedFeature` for an unknown tool; `Malformed` (rules 4.4, 5.4 and 6.4).
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(crate) fn read(
        src: &mut ByteReader<'_>,
        sample_bytes: usize,
        num_tables: usize,
        symbol_bits: u8,
    ) -> Result<Self, ErrorKind> {
        let malformed = |what| ErrorKind::Malformed { what, rule: "4.4" };
        let [unit_bits, order, prediction, transform] = src.bytes("tools")?;
        let row = src.u32("units of a row")?;
        let sample_bits = u8::try_from(sample_bytes.saturating_mul(8)).unwrap_or(0);
        let is_nibbles = unit_bits == NIBBLE_BITS;
        if !is_nibbles && unit_bits != sample_bits {
            return Err(malformed("bits of a unit"));
        }
        let order = match order.checked_sub(1) {
            None => None,
            Some(id) => Some(Order::try_from(id)?),
        };
        let prediction = match prediction {
            TILES_PREDICTOR => Prediction::Tiles,
            RECURRENCE_PREDICTOR => {
                if order != Some(Order::Float) {
                    return Err(malformed("order of samples"));
                }
                Prediction::Recurrence(read_recurrence(src, unit_bits, row)?)
            }
            id => Prediction::Whole(Predictor::try_from(id)?),
        };
        let transform = Transform::try_from(transform)?;
        let classes = Classes::read(src, unit_bits)?;
        let contexts = Contexts::read(src, row, num_tables)?;
        let tools = Self {
            unit_bits,
            order,
            prediction,
            transform,
            classes,
            contexts,
            row,
        };
        let has_numbers = tools.has_numbers();
        if (tools.order.is_some() != has_numbers) || (is_nibbles && has_numbers) {
            return Err(malformed("order of samples"));
        }
        if !(u32::from(tools.has_rows())..=ROW_MAX_UNITS).contains(&row)
            || (!tools.has_rows() && row > 0)
        {
            return Err(malformed("units of a row"));
        }
        if tools.classes.symbol_bits() != symbol_bits {
            return Err(malformed("symbol_bits"));
        }
        Ok(tools)
    }

    /// Appends what [`read`](Self::read) reads.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let order = self
            .order
            .map_or(0, |order| (order as u8).saturating_add(1));
        let prediction = match self.prediction {
            Prediction::Whole(predictor) => predictor as u8,
            Prediction::Tiles => TILES_PREDICTOR,
            Prediction::Recurrence(_) => RECURRENCE_PREDICTOR,
        };
        out.extend([self.unit_bits, order, prediction, self.transform as u8]);
        out.extend(self.row.to_le_bytes());
        if let Prediction::Recurrence(recurrence) = &self.prediction {
            out.push(recurrence.format.exponent_bits());
            let factors = recurrence.factors.iter();
            out.extend(factors.flat_map(|factor| factor.to_le_bytes()));
        }
        self.classes.write(self.unit_bits, out);
        self.contexts.write(out);
    }
}

/// The factors of `row` columns of floats of `sample_bits`.
fn read_recurrence(
    src: &mut ByteReader<'_>,
    sample_bits: u8,
    row: u32,
) -> Result<Recurrence, ErrorKind> {
    let malformed = |what| ErrorKind::Malformed { what, rule: "4.4" };
    let exponent_bits = src.u8("exponent bits of a recurrence")?;
    let format = FloatFormat::new(sample_bits, exponent_bits);
    let format = format.ok_or(malformed("exponent bits of a recurrence"))?;
    if !(1..=RECURRENCE_MAX_ROW).contains(&row) {
        return Err(malformed("units of a row"));
    }
    let factors = (0..row).map(|_| Ok(src.u32("factor of a recurrence")?.cast_signed()));
    Ok(Recurrence {
        format,
        factors: factors.collect::<Result<_, ErrorKind>>()?,
    })
}

/// `top-slope, tokens, contexts by column`.
impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prediction {
            Prediction::Whole(Predictor::None) => {}
            Prediction::Whole(predictor) => write!(f, "{}, ", predictor.name())?,
            Prediction::Tiles => f.write_str("a predictor a tile, ")?,
            Prediction::Recurrence(_) => f.write_str("recurrence, ")?,
        }
        if self.transform != Transform::None {
            write!(f, "{}, ", self.transform.name())?;
        }
        match &self.classes {
            Classes::Values { bits: NIBBLE_BITS } => f.write_str("nibbles")?,
            Classes::Values { .. } => f.write_str("values")?,
            Classes::Tokens { .. } => f.write_str("tokens")?,
            Classes::Palette(values) => write!(f, "palette of {}", values.len())?,
            Classes::Float {
                has_full: false, ..
            } => f.write_str("zeros apart")?,
            Classes::Float { zero_bits, .. } => {
                write!(f, "zeros and fractions with {zero_bits} zero bits apart")?;
            }
        }
        f.write_str(match self.contexts {
            Contexts::None => "",
            Contexts::Above(_) => ", contexts by what is above",
            Contexts::Bands(_) => ", contexts by band",
            Contexts::Columns(_) => ", contexts by column",
        })
    }
}
