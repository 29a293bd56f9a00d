//! Rows of the results, and the CSV files they stand in.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;

/// One codec doing one thing to one input. benches/peers/peers.py writes the same columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CodecRow {
    pub(crate) dtype: String,
    pub(crate) codec: String,
    /// wcodec's SIMD path; empty for the others.
    pub(crate) path: String,
    pub(crate) threads: usize,
    /// `decode`, `encode`, `decode as f32` or `decode as f16`.
    pub(crate) operation: String,
    pub(crate) input: String,
    pub(crate) input_sha256: String,
    pub(crate) raw_bytes: u64,
    pub(crate) coded_bytes: u64,
    pub(crate) percent_of_raw: f64,
    /// Bytes of weights that come out (decoding) or go in (encoding); what the speed is measured in.
    pub(crate) timed_bytes: u64,
    pub(crate) repetitions: usize,
    pub(crate) seconds_median: f64,
    pub(crate) seconds_min: f64,
    pub(crate) seconds_max: f64,
    pub(crate) gb_per_s: f64,
    /// Speed over that of a copy of `timed_bytes` in the same rounds, with as many threads.
    pub(crate) of_memcpy: f64,
}

/// One loader loading one model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoadRow {
    pub(crate) model: String,
    pub(crate) dtype: String,
    /// `warm` or `cold`.
    pub(crate) cache: String,
    pub(crate) loader: String,
    /// Per cent of the file that lay in the page cache before the worst run; empty if that is unknown.
    pub(crate) resident_percent: Option<f64>,
    pub(crate) file_bytes: u64,
    pub(crate) loaded_bytes: u64,
    pub(crate) threads: usize,
    pub(crate) repetitions: usize,
    pub(crate) seconds_median: f64,
    pub(crate) seconds_min: f64,
    pub(crate) seconds_max: f64,
    pub(crate) gb_per_s: f64,
    /// candle's median time over this one.
    pub(crate) times_candle: f64,
    pub(crate) peak_rss_bytes: Option<u64>,
}

/// Median, least and most of a few times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Zero if there are none.
    pub(crate) fn of(seconds: &[f64]) -> Self {
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        Self {
            median: f64::midpoint(at(low), at(high)),
            min: at(0),
            max: at(sorted.len().saturating_sub(1)),
        }
    }
}

/// The rows of a CSV text.
pub(crate) fn from_csv<T: DeserializeOwned>(text: impl Read) -> anyhow::Result<Vec<T>> {
    let rows = csv::Reader::from_reader(text)
        .into_deserialize()
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

/// The rows of a CSV file; none if it is not there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    if path.is_file() {
        from_csv(std::fs::File::open(path)?)
    } else {
        Ok(Vec::new())
    }
}

/// Writes a CSV file.
pub(crate) fn write<T: Serialize>(path: &Path, rows: &[T]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    writer.flush()?;
    eprintln!("{}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_counts() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Spread::of(&[4.0, 1.0]).median, 2.5);
        assert_eq!(Spread::of(&[]).max, 0.0);
    }
}
