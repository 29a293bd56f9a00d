//! What a process is to load, and what it answers.

use super::timeline::Span;
use crate::device::DtypeArg;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Loader {
    /// `VarBuilder::from_mmaped_safetensors`.
    Candle,
    /// Uncompressed: parallel reads, the cast in the same pass.
    Pread,
    /// Through Zstandard, otherwise the same.
    Zstd,
    /// `VarBuilder::from_wcodec`.
    Wcodec,
}

impl Loader {
    pub(crate) const ALL: [Self; 4] = [Self::Candle, Self::Pread, Self::Zstd, Self::Wcodec];

    /// Its name in tables.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Candle => "candle mmap",
            Self::Pread => "parallel pread",
            Self::Zstd => "zstd -3, parallel",
            Self::Wcodec => "wcodec",
        }
    }
}

/// What to load, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) loader: Loader,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) config: PathBuf,
    pub(crate) dtype: DtypeArg,
    pub(crate) device: String,
    /// What all files together are slowed down to.
    pub(crate) bytes_per_second: Option<f64>,
    pub(crate) watch: Watch,
}

/// What is looked at during a load; each costs a little time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Watch {
    /// Nothing but the clock.
    Times,
    /// Each thread's work.
    Timeline,
    /// The memory taken on a device that is not the CPU.
    DeviceMemory,
}

/// Seconds from the start of loading, and what it took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) open: f64,
    pub(crate) built: f64,
    pub(crate) first_token: f64,
    /// Every tensor whole and on the device.
    pub(crate) decoded: f64,
    /// Most memory of the process, mapped files included.
    pub(crate) peak_bytes: Option<u64>,
    /// Most memory on the device beyond what was taken there before, if that was watched.
    pub(crate) peak_device_bytes: Option<u64>,
    /// Bytes of the files that came through slowed-down storage, if it was.
    pub(crate) storage_bytes: Option<u64>,
    /// SHA-256 of the first token's logits.
    pub(crate) logits: String,
    pub(crate) spans: Vec<Span>,
}
