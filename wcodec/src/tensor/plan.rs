//! A part's entry in the index, and its chunk table once validated.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::Dtype;
use crate::bitplane::{self, Plane};
use crate::chunk::{ChunkEntry, CodeBook, Coder, Mode, Symbols};
use crate::entropy::rans::{DecodeTable, Table};
use crate::entropy::simd::Isa;
use crate::error::{Error, ErrorKind};
use crate::format::fields::ByteReader;
use crate::format::{
    CHUNK_ALIGN, CHUNK_ENTRY_BYTES, METHOD_CHUNKED, METHOD_CONSTANT, METHOD_PACKED, METHOD_STORED,
    METHOD_TOOLS, PART_MAX_RAW_BYTES, PART_MAX_TABLES,
};
use crate::samples::{Mapping, Split};
use crate::tools::{Contexts, Tools};
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

/// What is lost where the least significant stored planes are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Truncation {
    /// The most planes that are left out of any part.
    pub planes_left_out: usize,
    /// Bytes of the planes that are left out, at most: chunks that are stored or constant have none.
    pub bytes_left_out: u64,
    /// The most by which an element differs from the exact one, as a part of the exact one: for normal numbers. For subnormal ones it is a
    /// part of the smallest normal number. 2 means that not even the sign is known. A NaN may become an infinity.
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
        let method = match src.u8("part method")? {
            METHOD_CHUNKED => Method::Chunked,
            METHOD_STORED => Method::Stored,
            METHOD_CONSTANT => Method::Constant,
            METHOD_TOOLS => Method::Tools,
            METHOD_PACKED => Method::Packed,
            id => {
                return Err(ErrorKind::UnsupportedFeature {
                    what: "part method",
                    id: u32::from(id),
                });
            }
        };
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
        let (len_is_right, table_is_right) = match method {
            Method::Chunked | Method::Tools | Method::Packed => {
                if method == Method::Tools {
                    entry.split.check_symbols_alone()?;
                } else {
                    let bits = u32::try_from(sample_bytes.saturating_mul(8)).unwrap_or(0);
                    entry.split.validated(bits)?;
                }
                let entries = u64::from(entry.num_chunks).saturating_mul(CHUNK_ENTRY_BYTES as u64);
                let table_bytes = u64::from(entry.table_bytes);
                (
                    entry.len < raw_bytes,
                    table_bytes > entries && table_bytes <= entry.len,
                )
            }
            Method::Stored => (
                entry.len == raw_bytes,
                entry.table_bytes == 0 && entry.split == NO_SPLIT,
            ),
            Method::Constant => (
                entry.len == sample_bytes as u64,
                entry.table_bytes == 0 && entry.split == NO_SPLIT,
            ),
        };
        if !len_is_right {
            return Err(malformed("payload length"));
        }
        if !table_is_right {
            return Err(malformed("length of the chunk table"));
        }
        Ok(entry)
    }

    /// What is lost if all but the `num_planes` most significant planes are left out.
    /// The chunks have so many samples.
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

/// The tables of a part and what goes with them (FORMAT.md 4.2).
fn read_symbols(
    src: &mut ByteReader<'_>,
    part: &PartEntry,
    num_tables: u32,
    sample_bytes: usize,
) -> Result<Symbols, ErrorKind> {
    let symbol_bits = part.split.symbol_bits;
    if part.method == Method::Packed {
        let books = (0..num_tables).map(|_| CodeBook::read(src, symbol_bits));
        return Ok(Symbols::Packed(books.collect::<Result<_, _>>()?));
    }
    let tables = (0..num_tables).map(|_| Table::read(src, symbol_bits));
    let tables: Vec<Table> = tables.collect::<Result<_, _>>()?;
    if part.method != Method::Tools {
        return Ok(Symbols::Rans(tables));
    }
    let tools = Tools::read(src, sample_bytes, tables.len(), symbol_bits)?;
    let is_class = |value: &u16| usize::from(*value) < tools.classes.len();
    let has_contexts = tools.contexts != Contexts::None;
    for table in &tables {
        if !table.values.last().is_none_or(is_class) || (has_contexts && table.has_escape) {
            return Err(ErrorKind::Malformed {
                what: "table of classes",
                rule: "4.4",
            });
        }
    }
    Ok(Symbols::Tools(tools, tables))
}

/// The tables in the form that decoders look them up in.
fn coder(symbols: Symbols, isa: Isa) -> Coder {
    let prepared = |tables: &[Table], isa| {
        let prepare = |table| DecodeTable::new(table, isa);
        tables.iter().map(prepare).collect()
    };
    match symbols {
        Symbols::Rans(tables) => Coder::Rans(prepared(&tables, isa)),
        Symbols::Tools(tools, tables) => {
            // Contexts are decoded one symbol at a time.
            let isa = if tools.contexts == Contexts::None {
                isa
            } else {
                Isa::Scalar
            };
            Coder::Tools(tools, prepared(&tables, isa))
        }
        Symbols::Packed(books) => Coder::Packed(books),
    }
}

/// One chunk of a [`PartPlan`].
#[derive(Debug)]
pub(crate) struct ChunkPlan {
    pub(crate) entry: ChunkEntry,
    pub(crate) num_samples: usize,
    /// Its coded bytes and their padding, within the payload.
    pub(crate) coded: Range<usize>,
}

/// A chunked part, every field of its table checked.
///
/// Invariants: the chunks' coded ranges, then the planes' ranges, lie one behind the other and end where the
/// chunk table begins; a rANS chunk's table exists.
#[derive(Debug)]
pub(crate) struct PartPlan {
    pub(crate) split: Split,
    pub(crate) isa: Isa,
    pub(crate) first_chunk: u32,
    pub(crate) chunks: Vec<ChunkPlan>,
    pub(crate) coder: Coder,
    pub(crate) planes: Vec<Plane>,
    /// For each plane, where each chunk's bytes of it begin within the payload, and where the last one's end.
    pub(crate) plane_offsets: Vec<Vec<usize>>,
}

impl PartPlan {
    /// Reads and checks a chunk table. `samples_of` gives each chunk's length, in order.
    ///
    /// # Errors
    ///
    /// `Truncated`, `UnsupportedFeature`, `Malformed` (rules 4.1, 4.2 and 6.1), at the chunk they concern.
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(crate) fn read(
        table: &[u8],
        part: &PartEntry,
        sample_bytes: usize,
        samples_of: impl Iterator<Item = usize>,
    ) -> Result<Self, Error> {
        let mut src = ByteReader::new(table);
        // The index promises that the entries fit the table: this many are really there, or the read fails.
        let entries: Vec<ChunkEntry> = (0..part.num_chunks)
            .map(|_| ChunkEntry::read(&mut src))
            .collect::<Result<_, _>>()?;
        let num_tables = u32::from(src.u16("num_tables")?);
        if num_tables > PART_MAX_TABLES {
            return Err(ErrorKind::Malformed {
                what: "num_tables",
                rule: "4.2",
            }
            .into());
        }
        let symbols = read_symbols(&mut src, part, num_tables, sample_bytes)?;
        if !src.rest().is_empty() {
            return Err(ErrorKind::Malformed {
                what: "end of the chunk table",
                rule: "4.2",
            }
            .into());
        }

        let mut offset = 0usize;
        let mut chunks = Vec::with_capacity(entries.len());
        for ((entry, num_samples), number) in
            entries.into_iter().zip(samples_of).zip(part.first_chunk..)
        {
            entry
                .check(&symbols, num_samples, sample_bytes)
                .map_err(|kind| Error::from(kind).in_chunk(number))?;
            let padded = (entry.coded_bytes as usize).next_multiple_of(CHUNK_ALIGN);
            let end = offset.saturating_add(padded);
            chunks.push(ChunkPlan {
                entry,
                num_samples,
                coded: offset..end,
            });
            offset = end;
        }
        let planes: Vec<Plane> = bitplane::planes(part.split.stored_bits).collect();
        let mut plane_offsets = Vec::with_capacity(planes.len());
        for plane in &planes {
            let mut offsets = Vec::with_capacity(chunks.len().saturating_add(1));
            for chunk in &chunks {
                offsets.push(offset);
                if chunk.entry.mode == Mode::Coded {
                    offset = offset.saturating_add(plane.padded_bytes(chunk.num_samples));
                }
            }
            offsets.push(offset);
            plane_offsets.push(offsets);
        }
        if (offset as u64).checked_add(u64::from(part.table_bytes)) != Some(part.len) {
            return Err(ErrorKind::Malformed {
                what: "payload length",
                rule: "4.1",
            }
            .into());
        }
        let isa = Isa::chosen();
        Ok(Self {
            split: part.split,
            isa,
            first_chunk: part.first_chunk,
            chunks,
            coder: coder(symbols, isa),
            planes,
            plane_offsets,
        })
    }

    /// Leaves out all but the `num_planes` most significant planes: their bits are then decoded as zeros.
    pub(crate) fn keep_planes(&mut self, num_planes: usize) {
        self.planes.truncate(num_planes);
        self.plane_offsets.truncate(num_planes);
    }

    /// The payload ranges that chunks `range` (indices within the part) need: coded bytes, then each plane.
    pub(crate) fn byte_ranges(&self, range: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let chunks = self.chunks.get(range.clone()).unwrap_or_default();
        let start = chunks.first().map_or(0, |chunk| chunk.coded.start);
        let end = chunks.last().map_or(0, |chunk| chunk.coded.end);
        let planes = self.plane_offsets.iter().map(|offsets| {
            let at = |index: usize| offsets.get(index).copied().unwrap_or(0);
            at(range.start)..at(range.end)
        });
        std::iter::once(start..end).chain(planes)
    }
}
