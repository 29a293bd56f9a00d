//! A chunk coded with tools to its samples.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::{NIBBLE_BITS, Prediction, Tools, tiles};
use crate::bitplane::stream::BitReader;
use crate::entropy::escapes;
use crate::entropy::rans::{DecodeTable, Decoder, contexts};
use crate::error::ErrorKind;
use crate::predict::{self, Predictor, Predictors};
use crate::samples::Number;
use crate::transform::{self, Transform};

/// Symbols decoded at a time.
const BLOCK: usize = 1024;

/// What a chunk consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coded<'a> {
    pub(crate) tools: &'a Tools,
    /// All tables of the part.
    pub(crate) tables: &'a [DecodeTable],
    /// The chunk's, where contexts do not choose.
    pub(crate) table: u8,
    /// States and words.
    pub(crate) words: &'a [u8],
    /// The tiles' predictors and the classes' bits.
    pub(crate) bits: &'a [u8],
    /// Positions, then literals.
    pub(crate) escapes: &'a [u8],
}

/// Decodes a chunk of `out.len()` samples.
///
/// # Errors
///
/// `Malformed` (rules 4.3, 4.4, 6.3, 6.4), `UnsupportedFeature`. `out` then holds unspecified samples.
///
/// # Panics
///
/// Never, for any input.
pub(crate) fn decode<S: Number>(coded: Coded<'_>, out: &mut [S]) -> Result<(), ErrorKind> {
    let num_units = coded.tools.units(out.len(), S::BYTES);
    let symbols = symbols(coded, num_units)?;
    if coded.tools.unit_bits != NIBBLE_BITS {
        return numbers(coded, &symbols, out);
    }
    let mut nibbles = vec![0u8; num_units];
    numbers(coded, &symbols, &mut nibbles)?;
    let bytes: Vec<u8> = nibbles
        .as_chunks()
        .0
        .iter()
        .map(|[low, high]| (low & 0xf) | (high << NIBBLE_BITS))
        .collect();
    for (out, bytes) in out.iter_mut().zip(bytes.chunks_exact(S::BYTES)) {
        *out = S::from_bytes(bytes);
    }
    Ok(())
}

/// The chunk's symbols: classes.
fn symbols(coded: Coded<'_>, num_units: usize) -> Result<Vec<u16>, ErrorKind> {
    let Coded { tools, tables, .. } = coded;
    let mut symbols = vec![0u16; num_units];
    let kind = tools.contexts.kind();
    if kind != super::ContextsKind::None {
        let row = usize::try_from(tools.row).unwrap_or(usize::MAX);
        contexts::decode(tables, coded.words, &mut symbols, |index, before| {
            let context = kind.context(index, before, row, num_units);
            tools.contexts.table(context)
        })?;
        return Ok(symbols);
    }
    let table = tables.get(usize::from(coded.table));
    let table = table.ok_or(ErrorKind::Malformed {
        what: "chunk's table",
        rule: "4.2",
    })?;
    let mut decoder = Decoder::new(table, coded.words)?;
    let mut codes = [0u8; BLOCK];
    for symbols in symbols.chunks_mut(BLOCK) {
        let codes = codes.get_mut(..symbols.len()).unwrap_or_default();
        decoder.decode(codes)?;
        let values = table.values();
        for (symbol, &code) in symbols.iter_mut().zip(&*codes) {
            *symbol = values.symbol(code);
        }
    }
    decoder.finish()?;
    patch_escapes(coded, &mut symbols)?;
    Ok(symbols)
}

/// Replaces the symbols that were escapes (FORMAT.md 4.3).
fn patch_escapes(coded: Coded<'_>, symbols: &mut [u16]) -> Result<(), ErrorKind> {
    escapes::each(coded.escapes, |position, literal| {
        let is_class = usize::from(literal) < coded.tools.classes.len();
        *symbols.get_mut(position).filter(|_| is_class)? = literal;
        Some(())
    })
}

/// What the symbols stand for, with their bits: residuals or coefficients first, then numbers, then units.
fn numbers<S: Number>(coded: Coded<'_>, symbols: &[u16], out: &mut [S]) -> Result<(), ErrorKind> {
    let tools = coded.tools;
    let row = usize::try_from(tools.row).unwrap_or(usize::MAX);
    let mut bits = BitReader::new(coded.bits);
    let per_tile = match &tools.prediction {
        Prediction::Tiles => tiles::read(predict::tiles(row, out.len()), &mut bits)?,
        Prediction::Whole(_) | Prediction::Recurrence(_) => Vec::new(),
    };
    tools.classes.inverse(symbols, &mut bits, out);
    if !bits.is_exhausted() {
        return Err(ErrorKind::Malformed {
            what: "number of bits of the classes",
            rule: "4.4",
        });
    }
    if tools.transform != Transform::None {
        transform::inverse(tools.transform, row, out);
    }
    match &tools.prediction {
        Prediction::Whole(Predictor::None) => {}
        &Prediction::Whole(predictor) => predict::inverse(Predictors::One(predictor), row, out),
        Prediction::Tiles => predict::inverse(Predictors::PerTile(&per_tile), row, out),
        Prediction::Recurrence(recurrence) => recurrence.inverse(out),
    }
    if let Some(order) = tools.order {
        out.iter_mut()
            .for_each(|sample| *sample = sample.ordered(order));
    }
    Ok(())
}
