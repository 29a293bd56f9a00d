//! What was measured of loads.

use super::child::Loader;
use crate::device::DtypeArg;
use crate::memory::length;
use crate::table::{Align, Grid};
use serde::{Deserialize, Serialize};

/// Where the bytes of a load were.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Storage {
    /// In the page cache.
    Warm,
    /// On the disk.
    Cold,
    /// In the page cache, but given out at so many GB/s.
    Throttled(f64),
}

impl Storage {
    /// For people.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Warm => "warm".to_owned(),
            Self::Cold => "cold".to_owned(),
            Self::Throttled(speed) => format!("{speed} GB/s"),
        }
    }
}

/// The median of some runs, the least and the most of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self {
            median: (at(last / 2) + at(last.div_ceil(2))) / 2.0,
            min: at(0),
            max: at(last),
        }
    }
}

/// One kind of load, some runs of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoadRow {
    pub(crate) model: String,
    pub(crate) dtype: DtypeArg,
    pub(crate) device: String,
    pub(crate) storage: Storage,
    pub(crate) loader: Loader,
    pub(crate) file_bytes: u64,
    pub(crate) runs: usize,
    /// Seconds from the start, as are the next three.
    pub(crate) open: Spread,
    pub(crate) built: Spread,
    pub(crate) first_token: Spread,
    pub(crate) decoded: Spread,
    pub(crate) peak_bytes: Option<u64>,
    /// How the files left the page cache before a cold load.
    pub(crate) evicted: Option<String>,
}

/// The rows for people; how often a loader is faster than candle's, or than the first of its storage where there is none.
pub(crate) fn grid(rows: &[LoadRow]) -> Grid {
    use Align::{Left, Right};
    let mut grid = Grid::new(&[
        ("model", Left),
        ("as", Left),
        ("storage", Left),
        ("loader", Left),
        ("file", Right),
        ("open", Right),
        ("built", Right),
        ("first token", Right),
        ("least to most", Right),
        ("x pread", Right),
        ("peak memory", Right),
    ]);
    for row in rows {
        let alike = |other: &&LoadRow| {
            other.model == row.model
                && other.dtype == row.dtype
                && other.storage == row.storage
                && other.loader == Loader::Pread
        };
        let pread = rows.iter().find(alike);
        let times = pread.map(|pread| pread.first_token.median / row.first_token.median);
        let seconds = |seconds: f64| format!("{seconds:.3} s");
        grid.row([
            row.model.clone(),
            row.dtype.to_string(),
            row.storage.words(),
            row.loader.words().to_owned(),
            length(row.file_bytes),
            seconds(row.open.median),
            seconds(row.built.median),
            seconds(row.first_token.median),
            format!("{:.3} to {:.3}", row.first_token.min, row.first_token.max),
            times.map_or_else(String::new, |times| format!("{times:.2}")),
            row.peak_bytes.map_or_else(String::new, length),
        ]);
    }
    grid
}
