//! One independently decodable run of samples (FORMAT.md, section 4).

mod decode;
mod encode;
mod entry;

pub(crate) use decode::{ChunkView, decode};
pub(crate) use encode::{EncodedChunk, Scratch, encode};
pub(crate) use entry::{ChunkEntry, Mode};

/// Bytes of one escape: its position and its literal.
pub(crate) const ESCAPE_BYTES: usize = 4;
