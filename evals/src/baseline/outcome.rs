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
        for (name, cells) in self.sizes().into_iter().chain(self.times()) {
            grid.row([vec![name.to_owned()], cells.to_vec()].concat());
        }
        grid
    }

    /// Rows of lengths: bytes, bits per weight, what share.
    fn sizes(&self) -> Vec<(&'static str, [String; 3])> {
        let bits = |bytes: u64| format!("{:.3} b/w", 8.0 * bytes as f64 / self.weights as f64);
        let percent = 100.0 * self.coded_bytes as f64 / self.raw_bytes as f64;
        let row = |bytes: u64, words: String| [length(bytes), bits(bytes), words];
        vec![
            ("uncompressed", row(self.raw_bytes, String::new())),
            (
                "encoded",
                row(self.coded_bytes, format!("{percent:.1} % of raw")),
            ),
        ]
    }

    /// Rows of times: seconds, speed, spread or memory.
    fn times(&self) -> Vec<(&'static str, [String; 3])> {
        let speed = |seconds: f64| format!("{:.2} GB/s", self.raw_bytes as f64 / seconds / 1e9);
        let row = |seconds: f64, words: String| [format!("{seconds:.2} s"), speed(seconds), words];
        let peak = |bytes: Option<u64>| match bytes {
            Some(bytes) => format!("peak memory {}", length(bytes)),
            None => String::new(),
        };
        let spread = |spread: &Spread| format!("{:.2} to {:.2} s", spread.min, spread.max);
        let decoding = format!("{}, {}", spread(&self.decode), peak(self.decode_peak_bytes));
        let [read, _, words] = row(self.read.median, spread(&self.read));
        let loading = match self.load {
            Some(load) => row(load, peak(self.load_peak_bytes)),
            None => {
                let why = "not asked for, or candle has no such dtype";
                ["-".to_owned(), String::new(), why.to_owned()]
            }
        };
        vec![
            ("drawing, writing", row(self.draw_seconds, String::new())),
            (
                "encoding, on disk",
                row(self.encode_seconds, peak(self.encode_peak_bytes)),
            ),
            ("decoding", row(self.decode.median, decoding)),
            ("copying as much", row(self.copy.median, spread(&self.copy))),
            ("reading the encoded", [read, String::new(), words]),
            ("loading into candle", loading),
        ]
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
