//! What samples would cost with tools, from windows of a few chunks.

use super::{Number, bits, palette};
use crate::bitplane::stream::BitWriter;
use crate::entropy::cost::entropy;
use crate::tools::{Classes, Forward, Tools};

/// Samples of a window, about, and most columns of it.
const WINDOW_SAMPLES: usize = 512;
const WINDOW_COLUMNS: usize = 64;
/// A part of more samples than these has a window more.
const SAMPLES_PER_WINDOW: usize = 1 << 18;
const FEWEST_WINDOWS: usize = 3;
const MOST_WINDOWS: usize = 6;

/// A few: one in so many.
const SOME: usize = 64;
/// What says which tools they are, about.
const RECORD_BITS: u64 = 100;

/// Small rectangles of a part's chunks.
pub(super) struct Windows<S> {
    columns: usize,
    windows: Vec<Vec<S>>,
    /// Of the part.
    pub(super) num_samples: usize,
    /// Whether some chunk has more than a row.
    pub(super) has_rows: bool,
}

impl<S: Number> Windows<S> {
    pub(super) fn new(chunks: &[&[u8]], row: usize) -> Self {
        let num_samples: usize = chunks.iter().map(|raw| raw.len() / S::BYTES).sum();
        let num_windows = (FEWEST_WINDOWS + num_samples / SAMPLES_PER_WINDOW).min(MOST_WINDOWS);
        let rows_in = |raw: &[u8]| raw.len() / S::BYTES / row;
        let has_rows = chunks.iter().any(|raw| rows_in(raw) > 1);
        let columns = row.min(if has_rows {
            WINDOW_COLUMNS
        } else {
            WINDOW_SAMPLES
        });
        let window = |number: usize| {
            let raw = chunks[number * chunks.len() / num_windows];
            let rows = rows_in(raw).clamp(1, (WINDOW_SAMPLES / columns).max(4));
            // Windows lie in different rows and columns.
            let nth = |room: usize| room * (number + 1) / (num_windows + 1);
            let first = nth(rows_in(raw).saturating_sub(rows));
            let column = nth(row - columns);
            let lines = raw[first * row * S::BYTES..]
                .chunks(row * S::BYTES)
                .take(rows);
            let samples =
                lines.flat_map(|line| line.chunks_exact(S::BYTES).skip(column).take(columns));
            samples.map(S::from_bytes).collect()
        };
        Self {
            has_rows,
            num_samples,
            columns,
            windows: (0..num_windows).map(window).collect(),
        }
    }

    /// Cost of a sample coded with `tools`, for as many columns as windows have; about, without tables.
    pub(super) fn cost(&self, tools: &Tools) -> u64 {
        let tools = Tools {
            row: u32::try_from(self.columns).unwrap_or(1),
            ..tools.clone()
        };
        let mut forward = Forward::counting();
        let mut counts = vec![0u32; tools.classes.len()];
        let (mut stored, mut num_samples) = (0, 0);
        for window in &self.windows {
            stored += forward.run_on(&tools, window.clone());
            num_samples += window.len() as u64;
            // The first row has nothing above it, unlike most rows.
            let skip = if window.len() > 4 * self.columns {
                self.columns
            } else {
                0
            };
            for &symbol in &forward.symbols[skip..] {
                counts[usize::from(symbol)] += 1;
            }
        }
        let counted: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let symbols = (entropy(&counts) + too_little(&counts)) / counted.max(1);
        symbols + bits(stored) / num_samples.max(1) + self.share_of_tables(&counts, &tools.classes)
    }

    /// A sample's share of what the tables take in the part: about a byte for each symbol, and the values of a palette.
    fn share_of_tables(&self, counts: &[u32], classes: &Classes) -> u64 {
        let used = counts.iter().filter(|count| **count > 0).count() as u64;
        let palette = match classes {
            Classes::Palette(values) => values.len() as u64 * u64::from(S::BITS),
            _ => 0,
        };
        bits(8 * used + palette + RECORD_BITS) / self.num_samples.max(1) as u64
    }

    /// Whether a few samples more are so than one in 2^`by_chance`.
    pub(super) fn has_some(&self, by_chance: u32, is_so: impl Fn(S) -> bool) -> bool {
        let samples = self.windows.iter().flatten();
        let found = samples.clone().filter(|&&sample| is_so(sample)).count();
        let expected = samples.clone().count().checked_shr(by_chance).unwrap_or(0);
        found.saturating_sub(expected) * SOME > samples.count()
    }

    /// Cost of a sample by `classes` alone.
    pub(super) fn classes_cost(&self, classes: &Classes) -> u64 {
        let mut counts = vec![0u32; classes.len()];
        let (mut symbols, mut stored) = (Vec::new(), BitWriter::counting());
        for window in &self.windows {
            classes.forward(window, &mut symbols, &mut stored);
        }
        symbols
            .iter()
            .for_each(|&symbol| counts[usize::from(symbol)] += 1);
        let num_samples = symbols.len().max(1) as u64;
        (entropy(&counts) + too_little(&counts) + bits(stored.num_bits())) / num_samples
            + self.share_of_tables(&counts, classes)
    }

    /// The values that occur, if they are few.
    pub(super) fn palette(&self) -> Option<Classes> {
        let samples = self.windows.iter().flatten();
        palette::collect(samples.map(|sample| sample.widen())).map(Classes::Palette)
    }

    /// Cost of a sample as nibbles.
    pub(super) fn nibbles_cost(&self) -> u64 {
        let mut counts = [0u32; 16];
        for sample in self.windows.iter().flatten() {
            for byte in sample.to_bytes().as_ref() {
                counts[usize::from(byte & 0xf)] += 1;
                counts[usize::from(byte >> 4)] += 1;
            }
        }
        let num_samples = self.windows.iter().map(Vec::len).sum::<usize>();
        (entropy(&counts) + too_little(&counts)) / num_samples.max(1) as u64
    }
}

/// By how much the entropy of a few samples is too little, on average: half a nat for each symbol but one (G. A. Miller, Note on
/// the bias of information estimates, 1955).
fn too_little(counts: &[u32]) -> u64 {
    let used = counts.iter().filter(|count| **count > 0).count() as u64;
    used.saturating_sub(1) * bits(1) * 1443 / 2000
}
