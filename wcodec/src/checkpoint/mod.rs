//! Safetensors checkpoints to containers and back, byte for byte.
//!
//! A checkpoint is a `.safetensors` file, a folder with one, or a folder with a sharded one
//! (`model.safetensors.index.json` and its shards).

mod attachments;
mod duplicates;
mod export;
mod import;
mod order;
mod pipeline;
mod shards;
mod source;
mod verify;

pub use export::{ExportOptions, ExportSummary, export};
pub use import::{ImportOptions, ImportSummary, import, import_into};
pub use source::{DEFAULT_ATTACHMENTS, Source};
pub use verify::{VerifyOptions, VerifySummary, verify};

use crate::error::{Error, ErrorKind, Result};
use crate::search::Considered;
use std::ops::ControlFlow;

/// How far a conversion has come, in bytes of decoded tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// The tensor that was worked on last.
    pub tensor: &'a str,
}

/// Why the encoder coded a part of a tensor as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation<'a> {
    /// The tensor.
    pub tensor: &'a str,
    /// The part, from 0 on.
    pub part: usize,
    /// Length of what it decodes to.
    pub raw_bytes: u64,
    /// Length of its payload: of the way that was taken, or of the bytes as they are where that is no longer.
    pub coded_bytes: u64,
    /// How its payload holds it: `chunked`, `tools`, `packed`, `constant`, `stored`.
    pub method: &'static str,
    /// What was considered; nothing for a constant part.
    pub considered: &'a [Considered],
}

/// Told of every part that is encoded, in order.
pub type OnExplanation<'a> = &'a (dyn Fn(Explanation<'_>) + Sync);

/// Called from time to time during a conversion; `Break` makes it end with `Interrupted` and leave nothing behind.
pub type OnProgress<'a> = &'a (dyn Fn(Progress<'_>) -> ControlFlow<()> + Sync);

fn report(on_progress: Option<OnProgress<'_>>, progress: Progress<'_>) -> Result<()> {
    match on_progress.map(|callback| callback(progress)) {
        Some(ControlFlow::Break(())) => Err(Error::from(ErrorKind::Interrupted)),
        _ => Ok(()),
    }
}
