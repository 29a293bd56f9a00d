//! Section 4.4: parts with tools.

use super::classes::Classes;
use super::contexts::Contexts;
use super::numbers::{Predictors, sample, wrap};
use super::payload::replace_escapes;
use super::rans::{self, Table};
use super::recurrence::Recurrence;
use super::{Bits, Chunk, Fields, Refusal, must, transform};

const TILES_PREDICTOR: u8 = 255;
const RECURRENCE_PREDICTOR: u8 = 254;

/// The record of a part with tools.
pub(crate) struct Record {
    unit_bits: u32,
    /// Its id.
    order: Option<u8>,
    predictor: u8,
    transform: u8,
    /// Units of a row.
    w: usize,
    recurrence: Option<Recurrence>,
    classes: Classes,
    num_classes: u32,
    contexts: Contexts,
}

impl Record {
    /// The record that `bytes` are.
    pub(crate) fn parse(
        bytes: &[u8],
        sample_bits: u64,
        symbol_bits: u8,
        tables: &[Table],
    ) -> Result<Self, Refusal> {
        let mut fields = Fields { bytes };
        let record = Self::read(&mut fields, sample_bits, symbol_bits, tables)?;
        must(fields.bytes.is_empty(), "bytes after the record")?;
        Ok(record)
    }

    pub(super) fn read(
        fields: &mut Fields<'_>,
        sample_bits: u64,
        symbol_bits: u8,
        tables: &[Table],
    ) -> Result<Self, Refusal> {
        let unit_bits = u32::from(fields.u8()?);
        must(
            u64::from(unit_bits) == sample_bits || unit_bits == 4,
            "bits of a unit",
        )?;
        let order = fields.u8()?.checked_sub(1);
        must(order.is_none_or(|order| order <= 2), "unknown order")?;
        let (predictor, transform) = (fields.u8()?, fields.u8()?);
        must(
            predictor <= 6 || predictor >= RECURRENCE_PREDICTOR,
            "unknown predictor",
        )?;
        must(transform <= 2, "unknown transform")?;
        let on_numbers = predictor != 0 || transform != 0;
        must(
            order.is_some() == on_numbers,
            "an order if and only if there are numbers",
        )?;
        must(
            unit_bits != 4 || !on_numbers,
            "nibbles with a predictor or a transform",
        )?;
        let w = fields.u32()?;
        let recurrence = if predictor == RECURRENCE_PREDICTOR {
            must(order == Some(2), "a recurrence of integers")?;
            must((1..=4096).contains(&w), "units of a row")?;
            Some(Recurrence::read(fields, unit_bits, w)?)
        } else {
            None
        };
        let classes = Classes::read(fields, unit_bits)?;
        let num_classes = classes.num(unit_bits);
        must(
            1 + (num_classes - 1).max(1).ilog2() == u32::from(symbol_bits),
            "number of classes and symbol bits",
        )?;
        let mut values = tables.iter().flat_map(|table| &table.values);
        must(
            values.all(|&value| u32::from(value) < num_classes),
            "a value that is no class",
        )?;
        let kind = fields.u8()?;
        let rows = on_numbers || kind != 0;
        must(
            if rows {
                (1..=131_072).contains(&w)
            } else {
                w == 0
            },
            "units of a row",
        )?;
        let w = w as usize;
        let contexts = Contexts::read(fields, kind, w, tables)?;
        Ok(Self {
            unit_bits,
            order,
            predictor,
            transform,
            w,
            recurrence,
            classes,
            num_classes,
            contexts,
        })
    }

    /// Units of a chunk.
    pub(super) fn units(&self, chunk: &Chunk, sample_len: u64) -> u64 {
        chunk.samples * sample_len * 8 / u64::from(self.unit_bits)
    }

    /// What the entry of a chunk in mode coded may say.
    pub(super) fn check_chunk(&self, chunk: &Chunk, sample_len: u64) -> Result<(), Refusal> {
        must(
            self.contexts.kind == 0 || chunk.table == 0,
            "a chunk with contexts names another table than 0",
        )?;
        let (len, bits_len) = (u64::from(chunk.coded_len), u64::from(chunk.planes_crc));
        let words_len = len
            .checked_sub(128 + bits_len + 4 * u64::from(chunk.escapes))
            .ok_or("less coded bytes than states, bits and escapes")?;
        must(words_len.is_multiple_of(2), "half a word")?;
        must(
            words_len / 2 <= self.units(chunk, sample_len),
            "more than a word a unit",
        )
    }

    /// The samples of a chunk in mode coded.
    pub(super) fn decode_chunk(
        &self,
        coded: &[u8],
        chunk: &Chunk,
        tables: &[Table],
        sample_len: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let num = self.units(chunk, sample_len) as usize;
        let (coded, escapes) = coded.split_at(coded.len() - 4 * usize::from(chunk.escapes));
        let (coded, bits) = coded.split_at(coded.len() - chunk.planes_crc as usize);
        let mut symbols = rans::decode(coded, num, |i, before| {
            &tables[self.table_of(i, num, before, chunk.table)]
        })?;
        replace_escapes(&mut symbols, escapes, self.num_classes)?;
        let mut bits = Bits { bytes: bits, at: 0 };
        let predictors = if self.predictor == TILES_PREDICTOR {
            Predictors::read_tiles(&mut bits, num, self.w)?
        } else {
            Predictors::One(self.predictor)
        };
        let (n, classes) = (self.unit_bits, symbols.into_iter());
        let units = classes
            .map(|class| self.classes.unit(class, n, &mut bits))
            .collect::<Result<Vec<u64>, _>>()?;
        bits.end()?;
        if n == 4 {
            let pairs = units.chunks(2);
            return Ok(pairs.map(|pair| (pair[0] | pair[1] << 4) as u8).collect());
        }
        let samples = self.samples(units, &predictors).into_iter();
        Ok(samples
            .flat_map(|sample| sample.to_le_bytes().into_iter().take(sample_len as usize))
            .collect())
    }

    /// Samples of units that are samples, residuals or coefficients.
    fn samples(&self, units: Vec<u64>, predictors: &Predictors) -> Vec<u64> {
        let (n, Some(order)) = (self.unit_bits, self.order) else {
            return units;
        };
        let mut numbers: Vec<i128> = units.into_iter().map(|unit| wrap(unit.into(), n)).collect();
        if self.transform != 0 {
            transform::inverse(&mut numbers, self.w, self.transform, n);
        }
        if let Some(recurrence) = &self.recurrence {
            recurrence.inverse(&mut numbers, n);
        } else if self.predictor != 0 {
            predictors.inverse(&mut numbers, self.w, n);
        }
        let numbers = numbers.into_iter();
        numbers.map(|number| sample(number, order, n)).collect()
    }

    /// The table of unit `i` of `num`, from the symbols before it.
    pub(crate) fn table_of(&self, i: usize, num: usize, before: &[u16], of_chunk: u8) -> usize {
        self.contexts.table(i, num, before, of_chunk).into()
    }

    /// The bits of a class.
    pub(crate) fn bits_of(&self, class: u16) -> usize {
        let mut bits = Bits {
            bytes: &[0; 8],
            at: 0,
        };
        let unit = self.classes.unit(class, self.unit_bits, &mut bits);
        unit.map_or(0, |_| bits.at)
    }

    /// The kinds and ids it is made of.
    pub(crate) fn tools(&self) -> Vec<String> {
        let classes = match &self.classes {
            Classes::Values => "values",
            Classes::Tokens => "tokens",
            Classes::Palette(_) => "palette",
            Classes::Float { h: 0, .. } => "floats",
            Classes::Float { .. } => "floats, some short",
        };
        vec![
            format!("units of {} bits", self.unit_bits),
            format!("order {:?}", self.order),
            format!("predictor {}", self.predictor),
            format!("transform {}", self.transform),
            format!("classes: {classes}"),
            format!("contexts {}", self.contexts.kind),
        ]
    }
}
