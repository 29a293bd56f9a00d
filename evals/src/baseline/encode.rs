//! Drawing, encoding and checking, shard by shard.

use super::architecture::Planned;
use super::check::check;
use super::measure::Spec;
use super::shard;
use crate::memory::{peak_bytes, reset_peak};
use crate::progress;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wcodec::checkpoint::{ImportOptions, import};

/// What encoding shard by shard gave.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) files: Vec<PathBuf>,
    pub(super) raw_bytes: u64,
    pub(super) coded_bytes: u64,
    pub(super) draw_seconds: f64,
    pub(super) encode_seconds: f64,
    /// Of drawing and encoding, without the check.
    pub(super) peak_bytes: Option<u64>,
}

/// Draws, encodes, checks and drops one shard after the other.
///
/// # Errors
///
/// If the disk is full, or anything comes back changed.
pub(super) fn encode(
    spec: &Spec,
    shards: &[Vec<Planned>],
    folder: &Path,
) -> anyhow::Result<Encoded> {
    let mut encoded = Encoded::default();
    let raw = folder.join("shard.safetensors");
    let options = ImportOptions {
        effort: spec.effort.into(),
        no_default_attachments: true,
        ..Default::default()
    };
    let bar = progress::bar("encoding", shards.len());
    for (index, shard) in shards.iter().enumerate() {
        reset_peak();
        let start = Instant::now();
        encoded.raw_bytes += shard::write(shard, spec.quant, spec.seed, &raw)?;
        encoded.draw_seconds += start.elapsed().as_secs_f64();
        let target = folder.join(format!("{index}.wcodec"));
        let start = Instant::now();
        let summary = import(&raw, &target, &options)?;
        encoded.encode_seconds += start.elapsed().as_secs_f64();
        encoded.coded_bytes += summary.file_bytes;
        encoded.peak_bytes = encoded.peak_bytes.max(peak_bytes());
        check(&target, &raw, spec.can_load())?;
        std::fs::remove_file(&raw)?;
        encoded.files.push(target);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(encoded)
}
