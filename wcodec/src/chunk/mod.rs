//! One independently decodable run of samples (FORMAT.md, section 4).

use crate::entropy::rans::DecodeTable;
use crate::tools::Tools;

mod decode;
mod encode;
mod entry;
mod merge;
mod packed;

pub(crate) use decode::{ChunkView, decode, decode_together};
pub(crate) use encode::{Scratch, Target, encode};
pub(crate) use entry::{ChunkEntry, Mode, SymbolEncoder, Symbols};
pub(crate) use packed::{CodeBook, MAX_CODE_BITS};

/// How the symbols of a part's chunks are coded.
#[derive(Debug)]
pub(crate) enum Coder {
    /// rANS, with tables that chunks choose from.
    Rans(Vec<DecodeTable>),
    /// rANS of what tools make of the samples.
    Tools(Tools, Vec<DecodeTable>),
    /// Codes of fixed length, with code books that chunks choose from.
    Packed(Vec<CodeBook>),
}
