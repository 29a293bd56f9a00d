//! A part's entry in the index (FORMAT.md, section 3.3).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::Dtype;
use crate::bitplane;
use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{
    CHUNK_ENTRY_BYTES, METHOD_CHUNKED, METHOD_CONSTANT, METHOD_PACKED, METHOD_STORED, METHOD_TOOLS,
    PART_MAX_RAW_BYTES,
};
use crate::samples::{Mapping, Split};
use std::ops::Range;

/// How a part's payload holds its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Method {
    /// Chunks and a chunk table.
    Chunked = METHOD_CHUNKED,
    /// The bytes as they are.
    Stored = METHOD_STORED,
    /// One sample, repeated.
    Constant = METHOD_CONSTANT,
    /// Chunks coded with tools, and a chunk table.
    Tools = METHOD_TOOLS,
    /// Chunks of codes of fixed length, and a chunk table.
    Packed = METHOD_PACKED,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chunked => "chunked",
            Self::Stored => "stored",
            Self::Constant => "constant",
            Self::Tools => "tools",
            Self::Packed => "packed",
        }
    }

    /// Whether there is a chunk table.
    pub(crate) fn has_chunks(self) -> bool {
        matches!(self, Self::Chunked | Self::Tools | Self::Packed)
    }
}

/// A part as the index describes it (FORMAT.md 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartEntry {
    pub(crate) method: Method,
    /// Meaningful for [`Method::Chunked`]; of [`Method::Tools`] the bits of a symbol alone.
    pub(crate) split: Split,
    pub(crate) first_chunk: u32,
    pub(crate) num_chunks: u32,
    /// Where the payload begins in the file.
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Length of the chunk table at the end of the payload; 0 for the other methods.
    pub(crate) table_bytes: u32,
    /// Covers the chunk table, or the whole payload for the other methods.
    pub(crate) crc: u32,
}

impl TryFrom<u8> for Method {
    type Error = ErrorKind;
    fn try_from(id: u8) -> Result<Self, ErrorKind> {
        match id {
            METHOD_CHUNKED => Ok(Self::Chunked),
            METHOD_STORED => Ok(Self::Stored),
            METHOD_CONSTANT => Ok(Self::Constant),
            METHOD_TOOLS => Ok(Self::Tools),
            METHOD_PACKED => Ok(Self::Packed),
            id => Err(ErrorKind::UnsupportedFeature {
                what: "part method",
                id: u32::from(id),
            }),
        }
    }
}

/// What is lost where the least significant stored planes are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Truncation {
    /// The most planes that are left out of any part.
    pub planes_left_out: usize,
    /// Bytes of the planes that are left out, at most: chunks that are stored or constant have none.
    pub bytes_left_out: u64,
    /// The most by which an element differs from the exact one, as a part of the exact one: for normal numbers. For
    /// subnormal ones it is a part of the smallest normal number. 2 means that not even the sign is known. A NaN may
    /// become an infinity.
    pub relative_error: f64,
}

/// The split of a part that has none.
pub(super) const NO_SPLIT: Split = Split {
    mapping: Mapping::Unsigned,
    symbol_bits: 0,
    stored_bits: 0,
    zero_bits: 0,
};

impl PartEntry {
    /// Reads one entry and checks every rule of FORMAT.md 3.3 that needs no neighbour.
    /// `part_bytes` maps a chunk range to the bytes it decodes to.
    ///
    /// # Errors
    ///
    /// `Truncated`, `UnsupportedFeature`, `Malformed` (rules 3.3 and 5.2).
    pub(crate) fn read(
        src: &mut ByteReader<'_>,
        sample_bytes: usize,
        part_bytes: impl Fn(Range<u32>) -> Option<u64>,
    ) -> Result<Self, ErrorKind> {
        let malformed = |what| ErrorKind::Malformed { what, rule: "3.3" };
        let method = Method::try_from(src.u8("part method")?)?;
        src.reserved("plane of a part", 1)?;
        let mapping = Mapping::try_from(src.u8("sample mapping")?)?;
        let [symbol_bits, stored_bits, zero_bits] = src.bytes("split of the sample's bits")?;
        src.reserved("reserved field of a part", 2)?;
        let entry = Self {
            method,
            split: Split {
                mapping,
                symbol_bits,
                stored_bits,
                zero_bits,
            },
            first_chunk: src.u32("first_chunk")?,
            num_chunks: src.u32("num_chunks of a part")?,
            offset: src.u64("payload offset")?,
            len: src.u64("payload length")?,
            table_bytes: src.u32("length of the chunk table")?,
            crc: src.u32("checksum of a part")?,
        };
        let end_chunk = entry
            .first_chunk
            .checked_add(entry.num_chunks)
            .filter(|_| entry.num_chunks > 0);
        let raw_bytes = end_chunk.and_then(|end| part_bytes(entry.first_chunk..end));
        let raw_bytes = raw_bytes
            .filter(|&bytes| bytes <= PART_MAX_RAW_BYTES)
            .ok_or(malformed("num_chunks of a part"))?;
        entry.check_lengths(raw_bytes, sample_bytes)?;
        Ok(entry)
    }

    /// Checks the split and the lengths of a part that decodes to `raw_bytes`.
    fn check_lengths(&self, raw_bytes: u64, sample_bytes: usize) -> Result<(), ErrorKind> {
        let malformed = |what| ErrorKind::Malformed { what, rule: "3.3" };
        let has_no_table = self.table_bytes == 0 && self.split == NO_SPLIT;
        let (len_is_right, table_is_right) = match self.method {
            Method::Chunked | Method::Tools | Method::Packed => {
                if self.method == Method::Tools {
                    self.split.check_symbols_alone()?;
                } else {
                    let bits = u32::try_from(sample_bytes.saturating_mul(8)).unwrap_or(0);
                    self.split.validated(bits)?;
                }
                let entries = u64::from(self.num_chunks).saturating_mul(CHUNK_ENTRY_BYTES as u64);
                let table_bytes = u64::from(self.table_bytes);
                (
                    self.len < raw_bytes,
                    table_bytes > entries && table_bytes <= self.len,
                )
            }
            Method::Stored => (self.len == raw_bytes, has_no_table),
            Method::Constant => (self.len == sample_bytes as u64, has_no_table),
        };
        if !len_is_right {
            return Err(malformed("payload length"));
        }
        if !table_is_right {
            return Err(malformed("length of the chunk table"));
        }
        Ok(())
    }

    /// What is lost if all but the `num_planes` most significant planes are left out. The chunks have so many samples.
    pub(crate) fn truncation(
        &self,
        num_planes: usize,
        dtype: Dtype,
        samples_of: impl Iterator<Item = usize>,
    ) -> Truncation {
        let left_out = bitplane::planes(self.split.stored_bits).skip(num_planes);
        let missing: u32 = left_out.clone().map(|plane| plane.width).sum();
        let missing = if self.method.has_chunks() { missing } else { 0 };
        let fraction_bits = u32::from(dtype.sample_form().fraction_bits);
        let bits = missing.saturating_add(self.split.zero_bits.into());
        let relative_error = if missing == 0 {
            0.0
        } else if missing == u32::from(self.split.stored_bits) {
            2.0
        } else {
            // At most 64.
            f64::from(bits).exp2() / f64::from(fraction_bits).exp2()
        };
        let bytes_of = |samples| {
            let planes = left_out
                .clone()
                .map(|plane| plane.padded_bytes(samples) as u64);
            planes.sum::<u64>()
        };
        Truncation {
            planes_left_out: if missing == 0 {
                0
            } else {
                left_out.clone().count()
            },
            bytes_left_out: if missing == 0 {
                0
            } else {
                samples_of.map(bytes_of).sum()
            },
            relative_error,
        }
    }

    /// Appends the entry to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let Split {
            mapping,
            symbol_bits,
            stored_bits,
            zero_bits,
        } = if self.method.has_chunks() {
            self.split
        } else {
            NO_SPLIT
        };
        out.extend([
            self.method as u8,
            0,
            mapping as u8,
            symbol_bits,
            stored_bits,
            zero_bits,
            0,
            0,
        ]);
        out.extend(self.first_chunk.to_le_bytes());
        out.extend(self.num_chunks.to_le_bytes());
        out.extend(self.offset.to_le_bytes());
        out.extend(self.len.to_le_bytes());
        out.extend(self.table_bytes.to_le_bytes());
        out.extend(self.crc.to_le_bytes());
    }
}
