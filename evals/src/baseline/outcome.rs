//! What a baseline measured.

use crate::load::Spread;
use crate::memory::length;
use crate::table::{Align, Grid};
use serde::{Deserialize, Serialize};

/// What was measured. Seconds; GB/s are those of the uncompressed bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) model: String,
    pub(crate) quant: String,
    pub(crate) layers: usize,
    pub(crate) all_layers: usize,
    pub(crate) shards: usize,
    pub(crate) weights: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) coded_bytes: u64,
    pub(crate) threads: usize,
    pub(crate) draw_seconds: f64,
    pub(crate) encode_seconds: f64,
    /// Reading the encoded files from the page cache, and nothing else.
    pub(crate) read: Spread,
    /// Copying as many bytes as are decoded, from memory to memory.
    pub(crate) copy: Spread,
    /// Reading and decoding them into memory.
    pub(crate) decode: Spread,
    /// Every tensor through candle's `VarBuilder`, as stored; of formats that candle has.
    pub(crate) load: Option<f64>,
    pub(crate) encode_peak_bytes: Option<u64>,
    pub(crate) decode_peak_bytes: Option<u64>,
    pub(crate) load_peak_bytes: Option<u64>,
}

impl Baseline {
    /// For people.
    pub(crate) fn grid(&self) -> Grid {
        let mut grid = Grid::new(&[
            ("", Align::Left),
            ("", Align::Right),
            ("", Align::Right),
            ("", Align::Left),
        ]);
        let speed = |seconds: f64| format!("{:.2} GB/s", self.raw_bytes as f64 / seconds / 1e9);
        let peak = |bytes: Option<u64>| {
            bytes.map_or_else(String::new, |bytes| {
                format!("peak memory {}", length(bytes))
            })
        };
        let seconds = |seconds: f64| format!("{seconds:.2} s");
        let spread = |spread: &Spread| format!("{:.2} to {:.2} s", spread.min, spread.max);
        let bits = |bytes: u64| format!("{:.3} b/w", 8.0 * bytes as f64 / self.weights as f64);
        let mut row = |name: &str, cells: [String; 3]| {
            grid.row([vec![name.to_owned()], cells.to_vec()].concat())
        };
        let share = format!(
            "{:.1} % of raw",
            100.0 * self.coded_bytes as f64 / self.raw_bytes as f64
        );
        row(
            "uncompressed",
            [length(self.raw_bytes), bits(self.raw_bytes), String::new()],
        );
        row(
            "encoded",
            [length(self.coded_bytes), bits(self.coded_bytes), share],
        );
        row(
            "drawing, writing",
            [
                seconds(self.draw_seconds),
                speed(self.draw_seconds),
                String::new(),
            ],
        );
        row(
            "encoding",
            [
                seconds(self.encode_seconds),
                speed(self.encode_seconds),
                peak(self.encode_peak_bytes),
            ],
        );
        row(
            "decoding",
            [
                seconds(self.decode.median),
                speed(self.decode.median),
                format!("{}, {}", spread(&self.decode), peak(self.decode_peak_bytes)),
            ],
        );
        row(
            "copying as much",
            [
                seconds(self.copy.median),
                speed(self.copy.median),
                spread(&self.copy),
            ],
        );
        row(
            "reading the encoded",
            [seconds(self.read.median), String::new(), spread(&self.read)],
        );
        match self.load {
            Some(load) => row(
                "loading into candle",
                [seconds(load), speed(load), peak(self.load_peak_bytes)],
            ),
            None => row(
                "loading into candle",
                [
                    "-".to_owned(),
                    String::new(),
                    "not asked for, or candle has no such dtype".to_owned(),
                ],
            ),
        }
        grid
    }

    /// What the figures are of.
    pub(crate) fn title(&self) -> String {
        format!(
            "{}, {}, {} of {} layers, {} weights in {} shards, drawn; {} threads, files in the page cache",
            self.model,
            self.quant,
            self.layers,
            self.all_layers,
            self.weights,
            self.shards,
            self.threads
        )
    }
}
