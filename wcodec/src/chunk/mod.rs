//! One independently decodable run of samples (FORMAT.md, section 4).

mod decode;
mod encode;
mod entry;
mod merge;

pub(crate) use decode::{ChunkView, decode, decode_together};
pub(crate) use encode::{Scratch, Target, encode};
pub(crate) use entry::{ChunkEntry, Mode};

/// Bytes of one escape: its position and its literal.
pub(crate) const ESCAPE_BYTES: usize = 4;
