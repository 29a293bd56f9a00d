//! What a caller lets a file ask for.

use crate::error::ErrorKind;

/// Bounds that are checked before anything is allocated or decoded.
///
/// Structural counts (tensors, chunks, tables) need no limit of their own: each takes bytes of the index or of
/// a chunk table, and those are bounded here and by the file's length.
///
/// # Examples
///
/// ```
/// let limits = wcodec::Limits { max_tensor_bytes: 1 << 30, ..Default::default() };
/// assert!(limits.max_index_bytes >= 1 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the index, in bytes. Default 256 MiB, enough for a million tensors.
    pub max_index_bytes: u64,
    /// Length of one attachment or of one safetensors header, in bytes. Default 256 MiB.
    pub max_attachment_bytes: u64,
    /// Decoded length of one tensor, in bytes. Default 64 GiB.
    pub max_tensor_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_index_bytes: 256 << 20,
            max_attachment_bytes: 256 << 20,
            max_tensor_bytes: 64 << 30,
        }
    }
}

/// Passes `value` on if it is at most `limit`.
///
/// # Errors
///
/// `LimitExceeded` otherwise.
pub(crate) fn check(what: &'static str, value: u64, limit: u64) -> Result<u64, ErrorKind> {
    if value > limit {
        return Err(ErrorKind::LimitExceeded { what, value, limit });
    }
    Ok(value)
}
