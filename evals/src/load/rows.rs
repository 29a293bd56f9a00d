//! What was measured of loads.

use super::task::Loader;
use crate::device::DtypeArg;
use crate::memory::length;
use crate::table::{Align, Grid};
use serde::{Deserialize, Serialize};

/// Pages in the cache below this count as a cold file: the last ones of a device's read-ahead may come back.
const COLD_PERCENT: f64 = 1.0;
/// Pages in the cache from this on count as a warm file.
const WARM_PERCENT: f64 = 99.0;

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

    /// For people, and whether it is certain, from what was found in the page cache before.
    pub(crate) fn words_as_found(self, found: Option<Residency>) -> String {
        let words = self.words();
        let cold = self == Self::Cold;
        match found {
            None => format!("{words} (unchecked)"),
            Some(found) if cold && !found.is_cold() => {
                format!("{words} (up to {:.0} % in the page cache)", found.most)
            }
            Some(found) if !cold && !found.is_warm() => {
                format!("{words} (at times {:.0} % in the page cache)", found.least)
            }
            Some(_) => words,
        }
    }
}

/// How much of its files was in the page cache before a load, in per cent: the least and the most of all files and
/// runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Residency {
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Residency {
    pub(crate) fn of(percent: f64) -> Self {
        Self {
            least: percent,
            most: percent,
        }
    }

    /// What both span.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    /// Whether no file was ever there.
    pub(crate) fn is_cold(self) -> bool {
        self.most < COLD_PERCENT
    }

    /// Whether every file was always there.
    pub(crate) fn is_warm(self) -> bool {
        self.least >= WARM_PERCENT
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
    /// Most memory of the process, mapped files included.
    pub(crate) peak_bytes: Option<u64>,
    /// Most memory on the device, beyond what was taken there before; of a run of its own. None on a CPU.
    pub(crate) peak_device_bytes: Option<u64>,
    /// Bytes of the files that came through slowed-down storage, if it was.
    pub(crate) storage_bytes: Option<u64>,
    /// How the files left the page cache before a cold load: the worst way of all runs.
    pub(crate) evicted: Option<String>,
    /// What was found in the page cache right before the loads; None where nobody can tell.
    pub(crate) residency: Option<Residency>,
}

impl LoadRow {
    /// Where the bytes were, and whether that is certain.
    pub(crate) fn storage_words(&self) -> String {
        self.storage.words_as_found(self.residency)
    }

    /// Whether two rows differ in their loader alone.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        other.model == self.model
            && other.dtype == self.dtype
            && other.device == self.device
            && other.storage == self.storage
    }
}

/// The rows for people; how often as fast a loader is as the strongest uncompressed one.
pub(crate) fn grid(rows: &[LoadRow]) -> Grid {
    use Align::{Left, Right};
    let mut header = vec![
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
    ];
    let on_device = rows.iter().any(|row| row.peak_device_bytes.is_some());
    header.extend(on_device.then_some(("on the device", Right)));
    let mut grid = Grid::new(&header);
    for row in rows {
        let mut peers = rows.iter().filter(|other| row.is_alike(other));
        let pread = peers.find(|other| other.loader == Loader::Pread);
        let times = pread.map(|pread| pread.first_token.median / row.first_token.median);
        let seconds = |seconds: f64| format!("{seconds:.3} s");
        let bytes = |bytes: Option<u64>| bytes.map_or_else(String::new, length);
        let mut cells = vec![
            row.model.clone(),
            row.dtype.to_string(),
            row.storage_words(),
            row.loader.words().to_owned(),
            length(row.file_bytes),
            seconds(row.open.median),
            seconds(row.built.median),
            seconds(row.first_token.median),
            format!("{:.3} to {:.3}", row.first_token.min, row.first_token.max),
            times.map_or_else(String::new, |times| format!("{times:.2}")),
            bytes(row.peak_bytes),
        ];
        cells.extend(on_device.then(|| bytes(row.peak_device_bytes)));
        grid.row(cells);
    }
    grid
}

/// How cold files left the page cache, over all rows; empty if none was cold.
pub(crate) fn evictions(rows: &[LoadRow]) -> String {
    let mut ways: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.evicted.as_deref())
        .collect();
    ways.sort_unstable();
    ways.dedup();
    ways.join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row of one run, warm and certainly so unless changed.
    pub(crate) fn row(loader: Loader, storage: Storage, seconds: &[f64]) -> LoadRow {
        let first_token = Spread::of(seconds.iter().copied());
        let half = Spread::of(seconds.iter().map(|seconds| seconds / 2.0));
        LoadRow {
            model: "m".into(),
            dtype: DtypeArg::F32,
            device: "cpu".into(),
            storage,
            loader,
            file_bytes: 1_000_000,
            runs: seconds.len(),
            open: Spread::of([0.0].into_iter()),
            built: half,
            first_token,
            decoded: half,
            peak_bytes: None,
            peak_device_bytes: None,
            storage_bytes: None,
            evicted: (storage == Storage::Cold).then(|| "posix_fadvise".into()),
            residency: Some(Residency::of(match storage {
                Storage::Cold => 0.0,
                _ => 100.0,
            })),
        }
    }

    #[test]
    fn medians_and_their_spread() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0].into_iter());
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 10.0));
        assert_eq!(Spread::of([5.0].into_iter()).median, 5.0);
    }

    #[test]
    fn rows_say_what_is_not_certain() {
        let words = |storage, residency| {
            let row = LoadRow {
                residency,
                ..row(Loader::Pread, storage, &[1.0])
            };
            row.storage_words()
        };
        let found = |least, most| Some(Residency { least, most });
        assert_eq!(words(Storage::Cold, found(0.0, 0.9)), "cold");
        assert_eq!(
            words(Storage::Cold, found(0.0, 37.2)),
            "cold (up to 37 % in the page cache)"
        );
        assert_eq!(words(Storage::Cold, None), "cold (unchecked)");
        assert_eq!(words(Storage::Warm, found(99.5, 100.0)), "warm");
        assert_eq!(
            words(Storage::Throttled(0.2), found(80.0, 100.0)),
            "0.2 GB/s (at times 80 % in the page cache)"
        );
        assert_eq!(
            Residency::of(3.0).or(Residency::of(90.0)),
            Residency {
                least: 3.0,
                most: 90.0
            }
        );
    }

    #[test]
    fn memory_on_the_device_has_a_column_where_there_is_a_device() {
        let cpu = row(Loader::Wcodec, Storage::Warm, &[1.0]);
        assert!(
            !grid(std::slice::from_ref(&cpu))
                .plain()
                .contains("on the device")
        );
        let cuda = LoadRow {
            peak_device_bytes: Some(2_000_000_000),
            ..cpu
        };
        let text = grid(&[cuda]).plain();
        assert!(
            text.contains("on the device") && text.contains("2.00 GB"),
            "{text}"
        );
    }
}
