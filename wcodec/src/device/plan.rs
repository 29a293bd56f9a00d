//! What a decoder outside this crate needs to know of a part, as plain numbers.

use super::Coding;
use super::coding::vec_bytes;
use crate::Dtype;
use crate::chunk::Symbols;
use crate::format::{MAPPING_UNSIGNED, MODE_CONSTANT, MODE_STORED};
use crate::tensor::{ChunkPlan, ChunkTable};
use std::ops::Range;

/// How a part decodes, every rule checked that does not take decoding.
///
/// Every range lies within the payload, every table that a chunk or a context names exists, every value of a table is a
/// symbol or a class, and a chunk has at most [`CHUNK_MAX_SAMPLES`](crate::format::CHUNK_MAX_SAMPLES) samples: a
/// decoder may rely on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    dtype: Dtype,
    sample_bytes: usize,
    split: Split,
    coding: Coding,
    chunks: Vec<Chunk>,
    plane_widths: Vec<u32>,
    plane_offsets: Vec<Vec<u32>>,
}

/// Which bits of a mapped sample are coded, stored and zero (FORMAT.md 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Split {
    /// `MAPPING_*`.
    pub mapping: u8,
    /// Bits of a symbol.
    pub symbol_bits: u8,
    /// Bits in the planes.
    pub stored_bits: u8,
    /// Zeros below them.
    pub zero_bits: u8,
}

/// A run of samples that decodes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// Its number within the tensor. In a stored or constant part a chunk stands for a run of the tensor's, of which
    /// this is the first.
    pub number: u32,
    /// `MODE_*`.
    pub mode: u8,
    /// Its table or code book, if its mode is coded and contexts do not choose.
    pub table: u8,
    /// Its escapes, at the end of its coded bytes.
    pub num_escapes: u16,
    /// Its samples.
    pub num_samples: u32,
    /// Its coded bytes within the payload, without padding. They begin at a multiple of 16, but for stored and constant
    /// parts.
    pub coded: Range<u32>,
    /// With tools: length of the bits, before the escapes.
    pub bits_bytes: u32,
}

impl Plan {
    /// The tensor's element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Bytes of one sample: 1, 2, 4 or 8.
    pub fn sample_bytes(&self) -> usize {
        self.sample_bytes
    }

    /// Which bits of a sample are coded and stored; of parts with tools the bits of a symbol alone.
    pub fn split(&self) -> Split {
        self.split
    }

    /// What chunks in mode coded are coded with.
    pub fn coding(&self) -> &Coding {
        &self.coding
    }

    /// The part's chunks, in order; their samples follow each other.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Widths of the planes, most significant first.
    pub fn plane_widths(&self) -> &[u32] {
        &self.plane_widths
    }

    /// Where a chunk's bytes of each plane begin within the payload: multiples of 16. A chunk that is not in mode coded
    /// has none there.
    pub fn plane_offsets(&self, chunk: usize) -> impl Iterator<Item = u32> {
        let of_chunk = move |offsets: &Vec<u32>| offsets.get(chunk).copied().unwrap_or(0);
        self.plane_offsets.iter().map(of_chunk)
    }

    /// Bytes of memory that the plan takes, itself and what it has allocated.
    ///
    /// Never more than 24 for each byte of the payload, one for each KiB that the part decodes to, and 512.
    pub fn memory_bytes(&self) -> usize {
        let offsets = self.plane_offsets.iter().map(vec_bytes);
        let offsets = offsets.fold(vec_bytes(&self.plane_offsets), usize::saturating_add);
        size_of::<Self>()
            .saturating_add(self.coding.heap_bytes())
            .saturating_add(vec_bytes(&self.chunks))
            .saturating_add(vec_bytes(&self.plane_widths))
            .saturating_add(offsets)
    }

    /// Samples of all chunks.
    pub fn num_samples(&self) -> u64 {
        let samples = self.chunks.iter().map(|chunk| u64::from(chunk.num_samples));
        samples.fold(0, u64::saturating_add)
    }

    pub(super) fn without_table(
        dtype: Dtype,
        sample_bytes: usize,
        is_constant: bool,
        runs: impl Iterator<Item = (u32, usize)>,
    ) -> Self {
        let mut at = 0u32;
        let chunks = runs.map(|(number, num_samples)| {
            let num_samples = narrow(num_samples);
            let len = if is_constant {
                narrow(sample_bytes)
            } else {
                num_samples.saturating_mul(narrow(sample_bytes))
            };
            let coded = at..at.saturating_add(len);
            if !is_constant {
                at = coded.end;
            }
            Chunk {
                number,
                mode: if is_constant {
                    MODE_CONSTANT
                } else {
                    MODE_STORED
                },
                table: 0,
                num_escapes: 0,
                num_samples,
                coded,
                bits_bytes: 0,
            }
        });
        Self {
            dtype,
            sample_bytes,
            split: Split {
                mapping: MAPPING_UNSIGNED,
                symbol_bits: 0,
                stored_bits: 0,
                zero_bits: 0,
            },
            coding: Coding::Nothing,
            chunks: chunks.collect(),
            plane_widths: Vec::new(),
            plane_offsets: Vec::new(),
        }
    }

    pub(super) fn of_table(dtype: Dtype, sample_bytes: usize, table: ChunkTable) -> Self {
        let has_tools = matches!(table.symbols, Symbols::Tools(..));
        let chunk = |(chunk, number): (&ChunkPlan, u32)| {
            let entry = &chunk.entry;
            let start = narrow(chunk.coded.start);
            Chunk {
                number,
                mode: entry.mode as u8,
                table: entry.table,
                num_escapes: entry.num_escapes,
                num_samples: narrow(chunk.num_samples),
                coded: start..start.saturating_add(entry.coded_bytes),
                bits_bytes: if has_tools { entry.stored_crc } else { 0 },
            }
        };
        let offsets = table.plane_offsets.iter();
        Self {
            dtype,
            sample_bytes,
            split: Split {
                mapping: table.split.mapping as u8,
                symbol_bits: table.split.symbol_bits,
                stored_bits: table.split.stored_bits,
                zero_bits: table.split.zero_bits,
            },
            chunks: table
                .chunks
                .iter()
                .zip(table.first_chunk..)
                .map(chunk)
                .collect(),
            plane_widths: table.planes.iter().map(|plane| plane.width).collect(),
            plane_offsets: offsets
                .map(|offsets| offsets.iter().map(|&offset| narrow(offset)).collect())
                .collect(),
            coding: Coding::of(table.symbols),
        }
    }
}

/// A length or an offset within a part, which has at most 2^27 bytes.
pub(super) fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
