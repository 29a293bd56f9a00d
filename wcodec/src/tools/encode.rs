//! Samples of a chunk to classes and bits, and these to coded bytes.

use super::{NIBBLE_BITS, Prediction, Tools, tiles};
use crate::bitplane::stream::BitWriter;
use crate::entropy::escapes;
use crate::entropy::rans::{EncodeTable, Encoder};
use crate::predict::{self, Predictor, Predictors, TILE};
use crate::samples::Number;
use crate::transform::{self, Transform};

/// A chunk's classes and bits; keeps its buffers from one chunk to the next.
#[derive(Debug, Default)]
pub(crate) struct Forward {
    pub(crate) symbols: Vec<u16>,
    bits: BitWriter,
}

impl Forward {
    /// One that is asked for symbols and for the number of bits alone.
    pub(crate) fn counting() -> Self {
        Self {
            symbols: Vec::new(),
            bits: BitWriter::counting(),
        }
    }

    /// Applies the tools to the samples in `raw`. Returns how many bits go with the symbols.
    ///
    /// # Panics
    ///
    /// May panic if a sample belongs to no class of `tools`.
    pub(crate) fn run<S: Number>(&mut self, tools: &Tools, raw: &[u8]) -> u64 {
        if tools.unit_bits == NIBBLE_BITS {
            let nibbles = raw
                .iter()
                .flat_map(|byte| [byte & 0xf, byte >> NIBBLE_BITS]);
            return self.run_on(tools, nibbles.collect::<Vec<u8>>());
        }
        let samples = raw.chunks_exact(S::BYTES).map(S::from_bytes);
        self.run_on(tools, samples.collect::<Vec<S>>())
    }

    /// As [`run`](Self::run), of units.
    pub(crate) fn run_on<S: Number>(&mut self, tools: &Tools, mut units: Vec<S>) -> u64 {
        self.symbols.clear();
        self.bits.clear();
        let row = tools.row as usize;
        if let Some(order) = tools.order {
            units
                .iter_mut()
                .for_each(|unit| *unit = unit.ordered(order));
        }
        match &tools.prediction {
            Prediction::Whole(Predictor::None) => {}
            &Prediction::Whole(predictor) => {
                predict::forward(Predictors::One(predictor), row, &mut units);
            }
            Prediction::Tiles => {
                let predictors = best_of_tiles(&units, row);
                tiles::write(&predictors, &mut self.bits);
                predict::forward(Predictors::PerTile(&predictors), row, &mut units);
            }
            Prediction::Recurrence(recurrence) => recurrence.forward(&mut units),
        }
        if tools.transform != Transform::None {
            transform::forward(tools.transform, row, &mut units);
        }
        tools
            .classes
            .forward(&units, &mut self.symbols, &mut self.bits);
        self.bits.num_bits()
    }
}

/// The predictor of each tile whose residuals are shortest.
fn best_of_tiles<S: Number>(numbers: &[S], row: usize) -> Vec<Predictor> {
    let tiles_across = row.div_ceil(TILE);
    let mut costs = vec![[0u64; Predictor::ALL.len()]; predict::tiles(row, numbers.len())];
    let mut residuals = Vec::with_capacity(numbers.len());
    for (which, predictor) in Predictor::ALL.into_iter().enumerate() {
        residuals.clear();
        residuals.extend_from_slice(numbers);
        predict::forward(Predictors::One(predictor), row, &mut residuals);
        for (number, row) in residuals.chunks(row).enumerate() {
            for (across, tile) in row.chunks(TILE).enumerate() {
                costs[number / TILE * tiles_across + across][which] +=
                    tile.iter().map(|&residual| length(residual)).sum::<u64>();
            }
        }
    }
    let best = |costs: &[u64; Predictor::ALL.len()]| {
        let ways = Predictor::ALL.into_iter().zip(costs);
        ways.min_by_key(|(_, cost)| **cost)
            .map_or(Predictor::None, |(predictor, _)| predictor)
    };
    costs.iter().map(best).collect()
}

/// About how many bits a residual takes.
fn length<S: Number>(residual: S) -> u64 {
    u64::from(64 - residual.zigzag().widen().leading_zeros())
}

/// The coded bytes of a chunk, and how many of them are bits and escapes (FORMAT.md 4.4): states and words, bits,
/// escapes. `table` is the chunk's, where contexts do not choose. `None` if there are more escapes than an entry can
/// count or place.
pub(crate) fn encode(
    tools: &Tools,
    (tables, table): (&[EncodeTable], u8),
    forward: &mut Forward,
    encoder: &mut Encoder,
    out: &mut Vec<u8>,
) -> Option<(usize, u16)> {
    let Forward { symbols, bits } = forward;
    let kind = tools.contexts.kind();
    let (coded, escapes) = if kind == super::ContextsKind::None {
        let table = &tables[usize::from(table)];
        let escapes = table.escapes(symbols);
        if !escapes.is_empty() && symbols.len() > 1 << 16 {
            return None;
        }
        (encoder.encode(table, symbols), escapes)
    } else {
        let row = tools.row as usize;
        let context = |index| kind.context(index, symbols, row, symbols.len());
        let chosen: Vec<u8> = (0..symbols.len())
            .map(|index| tools.contexts.table(context(index)))
            .collect();
        (
            encoder.encode_in_contexts(tables, &chosen, symbols),
            Vec::new(),
        )
    };
    let num_escapes = u16::try_from(escapes.len()).ok()?;
    let bits = bits.finish();
    out.clear();
    out.resize(coded.len(), 0);
    coded.write(out);
    out.extend_from_slice(bits);
    out.extend(escapes::bytes(&escapes));
    Some((bits.len(), num_escapes))
}
