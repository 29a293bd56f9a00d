//! What samples would cost with tools, from windows of a few chunks.

use super::{Candidate, Number, Tool, bits, palette};
use crate::bitplane::stream::BitWriter;
use crate::entropy::cost::entropy;
use crate::predict::{FloatFormat, Predictor, Recurrence};
use crate::samples::{Order, Split};
use crate::tools::{Classes, Forward, Prediction, Tools};

/// Most columns of a window.
const WINDOW_COLUMNS: usize = 64;

/// How much of a part is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Samples of a window, about.
    window_samples: usize,
    /// A part of more samples than these has a window more.
    samples_per_window: usize,
    fewest_windows: usize,
    most_windows: usize,
}

impl Extent {
    /// Enough to tell what is hopeless.
    pub(super) const GLANCE: Self = Self {
        window_samples: 512,
        samples_per_window: 1 << 18,
        fewest_windows: 3,
        most_windows: 6,
    };
    /// Enough to tell a percent from chance.
    pub(super) const LOOK: Self = Self {
        window_samples: 2048,
        samples_per_window: 1 << 15,
        fewest_windows: 4,
        most_windows: 64,
    };

    fn num_windows(self, num_samples: usize) -> usize {
        (self.fewest_windows + num_samples / self.samples_per_window).min(self.most_windows)
    }

    /// Whether that is a small share of so many samples.
    pub(super) fn is_part_of(self, num_samples: usize) -> bool {
        self.num_windows(num_samples) * self.window_samples < num_samples / 4
    }
}

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
    pub(super) fn new(chunks: &[&[u8]], row: usize, extent: Extent) -> Self {
        let num_samples: usize = chunks.iter().map(|raw| raw.len() / S::BYTES).sum();
        let num_windows = extent.num_windows(num_samples);
        // Of small parts not nearly all.
        let window_samples = extent.window_samples.min((num_samples / 8).max(128));
        let rows_in = |raw: &[u8]| raw.len() / S::BYTES / row;
        let has_rows = chunks.iter().any(|raw| rows_in(raw) > 1);
        let columns = row.min(if has_rows {
            WINDOW_COLUMNS
        } else {
            window_samples
        });
        let window = |number: usize| {
            let raw = chunks[number * chunks.len() / num_windows];
            let rows = rows_in(raw).clamp(1, (window_samples / columns).max(4));
            // Windows lie in different rows and columns, and not on a diagonal.
            let nth = |room: usize, number: usize| room * number / (num_windows + 1);
            let first = nth(rows_in(raw).saturating_sub(rows), number + 1);
            let column = nth(row - columns, (3 * number + 1) % (num_windows + 1));
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

    /// Cost of a sample coded so.
    pub(super) fn estimate(&self, candidate: &Candidate) -> u64 {
        match candidate.tool {
            Tool::Nibbles => self.nibbles_cost(),
            Tool::Palette | Tool::Classes => self.classes_cost(&candidate.tools.classes),
            _ => self.cost(&candidate.tools),
        }
    }

    /// By how much two costs of a sample that are the same may differ here: about twice the standard error of a mean of
    /// information, whose standard deviation is about a bit.
    pub(super) fn noise(&self) -> u64 {
        2 * bits(1) / self.num_looked_at().isqrt()
    }

    /// Cost of a sample coded with `tools`, for as many columns as windows have; about, without tables.
    pub(super) fn cost(&self, tools: &Tools) -> u64 {
        let factor_bits = match &tools.prediction {
            Prediction::Recurrence(_) => u64::from(tools.row) * u64::from(i32::BITS),
            _ => 0,
        };
        let mut tools = Tools {
            row: u32::try_from(self.columns).unwrap_or(1),
            ..tools.clone()
        };
        let mut forward = Forward::counting();
        let mut counts = vec![0u32; tools.classes.len()];
        let (mut stored, mut num_samples) = (0, 0);
        for window in &self.windows {
            if let Prediction::Recurrence(recurrence) = &mut tools.prediction {
                let numbers = window.iter().map(|sample| sample.ordered(Order::Float));
                let numbers = std::iter::once(numbers.collect());
                *recurrence = Recurrence::fit::<S>(recurrence.format, self.columns, numbers);
            }
            stored += forward.run_on(&tools, window.clone());
            num_samples += window.len() as u64;
            // The first rows have too little above them, unlike most rows.
            let rows = match tools.prediction {
                Prediction::Whole(Predictor::TopSlope) | Prediction::Recurrence(_) => 2,
                _ => 1,
            };
            let skip = if window.len() > 3 * rows * self.columns {
                rows * self.columns
            } else {
                0
            };
            for &symbol in &forward.symbols[skip..] {
                counts[usize::from(symbol)] += 1;
            }
        }
        let counted: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let symbols = (entropy(&counts) + too_little(&counts)) / counted.max(1);
        symbols + bits(stored) / num_samples.max(1) + self.share_of_tables(&counts, factor_bits)
    }

    /// Cost of a sample split so, about, without tables.
    pub(super) fn split_cost(&self, split: Split) -> u64 {
        let mut counts = vec![0u32; 1 << split.symbol_bits];
        for &sample in self.windows.iter().flatten() {
            counts[usize::from(sample.forward(split).0)] += 1;
        }
        let symbols = entropy(&counts) + too_little(&counts);
        symbols / self.num_looked_at() + bits(split.stored_bits.into())
    }

    /// Samples in all windows, at least 1.
    pub(super) fn num_looked_at(&self) -> u64 {
        (self.windows.iter().map(Vec::len).sum::<usize>() as u64).max(1)
    }

    /// Whether columns oscillate, however fast: a recurrence then leaves less than the samples have, of noise twice as
    /// much.
    pub(super) fn oscillates(&self, format: FloatFormat) -> bool {
        let (mut left, mut all) = (0.0, 0.0);
        for window in &self.windows {
            let numbers: Vec<S> = window
                .iter()
                .map(|sample| sample.ordered(Order::Float))
                .collect();
            let [residuals, values] = Recurrence::energies(format, self.columns, numbers);
            left += residuals;
            all += values;
        }
        4.0 * left < 3.0 * all
    }

    /// A sample's share of what the tables take in the part, about a byte for each symbol, and of what its record has
    /// beyond the usual.
    fn share_of_tables(&self, counts: &[u32], record_bits: u64) -> u64 {
        let used = counts.iter().filter(|count| **count > 0).count() as u64;
        bits(8 * used + record_bits + RECORD_BITS) / self.num_samples.max(1) as u64
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
        let palette_bits = match classes {
            Classes::Palette(values) => values.len() as u64 * u64::from(S::BITS),
            _ => 0,
        };
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
            + self.share_of_tables(&counts, palette_bits)
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
        (entropy(&counts) + too_little(&counts)) / self.num_looked_at()
    }
}

/// By how much the entropy of a few samples is too little, on average: half a nat for each symbol but one (G. A.
/// Miller, Note on the bias of information estimates, 1955).
fn too_little(counts: &[u32]) -> u64 {
    let used = counts.iter().filter(|count| **count > 0).count() as u64;
    used.saturating_sub(1) * bits(1) * 1443 / 2000
}
