//! What callbacks are told.

use std::time::Instant;

/// How far a load is, reported when a tensor is handed out for the first time since
/// [`var_builder`](crate::WcodecLoader::var_builder).
///
/// The totals are those of the file: a model that does not ask for every tensor ends below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The tensor.
    pub name: &'a str,
    /// Tensors handed out, this one included.
    pub tensors_done: usize,
    /// Tensors in the file.
    pub tensors_total: usize,
    /// Their bytes, as in the original checkpoint.
    pub bytes_done: u64,
    /// Bytes of all tensors in the file, as in the original checkpoint.
    pub bytes_total: u64,
}

/// A tensor that was decoded, reported to [`on_decoded`](crate::LoaderBuilder::on_decoded) when it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded<'a> {
    /// The tensor.
    pub name: &'a str,
    /// When its decoding began, reading included. On a device: when it was asked for; what was read ahead of that is
    /// not included.
    pub begin: Instant,
    /// Whether a device decoded it. `false` where the CPU did, also if a device gets a copy of that.
    pub on_device: bool,
}
