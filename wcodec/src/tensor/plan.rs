//! A part's chunk table once validated.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::entry::{Method, PartEntry};
use crate::bitplane::{self, Plane};
use crate::chunk::{ChunkEntry, CodeBook, Coder, Mode, Symbols};
use crate::entropy::rans::{DecodeTable, Table};
use crate::entropy::simd::Isa;
use crate::error::{Error, ErrorKind};
use crate::format::fields::ByteReader;
use crate::format::{CHUNK_ALIGN, PART_MAX_TABLES};
use crate::samples::Split;
use crate::tools::{Contexts, Tools};
use std::ops::Range;

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

/// A chunk table, every field of it checked: what decoders of every machine are prepared from.
///
/// Invariants: the chunks' coded ranges, then the planes' ranges, lie one behind the other and end where the
/// chunk table begins; a coded chunk's table exists.
#[derive(Debug)]
pub(crate) struct ChunkTable {
    pub(crate) split: Split,
    pub(crate) first_chunk: u32,
    pub(crate) chunks: Vec<ChunkPlan>,
    pub(crate) symbols: Symbols,
    pub(crate) planes: Vec<Plane>,
    /// For each plane, where each chunk's bytes of it begin within the payload, and where the last one's end.
    pub(crate) plane_offsets: Vec<Vec<usize>>,
}

/// A [`ChunkTable`] with its tables in the form that this machine's decoder looks them up in.
#[derive(Debug)]
pub(crate) struct PartPlan {
    pub(crate) split: Split,
    pub(crate) isa: Isa,
    pub(crate) first_chunk: u32,
    pub(crate) chunks: Vec<ChunkPlan>,
    pub(crate) coder: Coder,
    pub(crate) planes: Vec<Plane>,
    /// As [`ChunkTable::plane_offsets`].
    pub(crate) plane_offsets: Vec<Vec<usize>>,
}

impl ChunkTable {
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
        Ok(Self {
            split: part.split,
            first_chunk: part.first_chunk,
            chunks,
            symbols,
            planes,
            plane_offsets,
        })
    }
}

impl PartPlan {
    /// Reads and checks a chunk table, for this machine. `samples_of` gives each chunk's length, in order.
    ///
    /// # Errors
    ///
    /// As [`ChunkTable::read`].
    pub(crate) fn read(
        table: &[u8],
        part: &PartEntry,
        sample_bytes: usize,
        samples_of: impl Iterator<Item = usize>,
    ) -> Result<Self, Error> {
        let isa = Isa::chosen();
        let table = ChunkTable::read(table, part, sample_bytes, samples_of)?;
        Ok(Self {
            split: table.split,
            isa,
            first_chunk: table.first_chunk,
            chunks: table.chunks,
            coder: coder(table.symbols, isa),
            planes: table.planes,
            plane_offsets: table.plane_offsets,
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
