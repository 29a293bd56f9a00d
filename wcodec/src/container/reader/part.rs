//! The chunks of one part, read and decoded.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::{read_checked, read_into};
use crate::container::ReadAt;
use crate::container::index::{Region, TensorInfo};
use crate::error::Result;
use crate::samples::Number;
use crate::tensor::{PartEntry, PartPlan, decode_group};
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;

/// Decoded bytes of the chunks that one task reads and decodes together.
const GROUP_RAW_BYTES: usize = 512 << 10;

thread_local! {
    /// What a thread reads groups into, one after another: a fresh buffer for each would cost more than the reading.
    /// It grows to the largest group read, which the format keeps below a few megabytes.
    static READ_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A chunked part, its chunk table read and validated.
pub(super) struct ChunkedPart<'a> {
    source: &'a dyn ReadAt,
    /// Where the payload begins in the file.
    offset: u64,
    chunk_samples: usize,
    plan: PartPlan,
}

impl<'a> ChunkedPart<'a> {
    /// Reads and checks the chunk table, for decoding from so many planes.
    ///
    /// # Errors
    ///
    /// `ChecksumMismatch`; those of [`PartPlan::read`]; `Io`.
    pub(super) fn open(
        source: &'a dyn ReadAt,
        info: &TensorInfo,
        part: &PartEntry,
        num_planes: usize,
    ) -> Result<Self> {
        // The index promises that the table lies within the payload.
        let table_at = part.offset + part.len - u64::from(part.table_bytes);
        let table = Region {
            offset: table_at,
            len: part.table_bytes.into(),
        };
        let bytes = read_checked(source, "chunk table", table, part.crc)?;
        let samples_of = (part.first_chunk..).map(|chunk| {
            let samples = info.samples_of(&(chunk..chunk.saturating_add(1)));
            usize_of(samples.end - samples.start)
        });
        let mut plan = PartPlan::read(&bytes, part, info.sample_bytes(), samples_of)?;
        plan.keep_planes(num_planes);
        Ok(Self {
            source,
            offset: part.offset,
            chunk_samples: info.chunk_samples as usize,
            plan,
        })
    }

    /// Decodes samples `wanted` of the part into `out`, which is as long, on the current rayon pool.
    ///
    /// # Errors
    ///
    /// That of a damaged chunk, with its number; `Io`.
    pub(super) fn decode<S: Number, T: Send>(
        &self,
        wanted: &Range<usize>,
        out: &mut [T],
        convert: &(impl Fn(S) -> T + Sync),
    ) -> Result<()> {
        let chunk_samples = self.chunk_samples;
        let (first_chunk, skip) = (wanted.start / chunk_samples, wanted.start % chunk_samples);
        let head_len = if skip > 0 {
            (chunk_samples - skip).min(out.len())
        } else {
            0
        };
        let (head, rest) = out.split_at_mut(head_len);
        if !head.is_empty() {
            self.decode_cut(first_chunk, skip..skip + head.len(), head, convert)?;
        }
        let first_whole = first_chunk + usize::from(skip > 0);
        let part_samples: usize = self.plan.chunks.iter().map(|chunk| chunk.num_samples).sum();
        let tail_len = if wanted.end == part_samples {
            0
        } else {
            rest.len() % chunk_samples
        };
        let (body, tail) = rest.split_at_mut(rest.len() - tail_len);
        // Groups of a good size for reading, but enough of them for every thread.
        let most = (GROUP_RAW_BYTES / (chunk_samples * S::BYTES)).max(1);
        let share = (body.len() / chunk_samples).div_ceil(rayon::current_num_threads());
        let group_chunks = share.clamp(1, most);
        body.par_chunks_mut(group_chunks * chunk_samples)
            .enumerate()
            .try_for_each(|(group, out)| {
                let first = first_whole + group * group_chunks;
                self.decode_chunks(
                    &(first..first + out.len().div_ceil(chunk_samples)),
                    out,
                    convert,
                )
            })?;
        if !tail.is_empty() {
            let last = first_whole + body.len() / chunk_samples;
            self.decode_cut(last, 0..tail.len(), tail, convert)?;
        }
        Ok(())
    }

    /// Decodes a chunk whole, beside `out`, and keeps samples `keep` of it.
    fn decode_cut<S: Number, T>(
        &self,
        chunk: usize,
        keep: Range<usize>,
        out: &mut [T],
        convert: &impl Fn(S) -> T,
    ) -> Result<()> {
        let num_samples = self
            .plan
            .chunks
            .get(chunk)
            .map_or(0, |chunk| chunk.num_samples);
        let mut whole: Vec<T> = (0..num_samples).map(|_| convert(S::ZERO)).collect();
        self.decode_chunks(&(chunk..chunk + 1), &mut whole, convert)?;
        whole.drain(keep).zip(out).for_each(|(from, to)| *to = from);
        Ok(())
    }

    /// Reads and decodes whole chunks: one read for the coded bytes, one for each stored plane.
    fn decode_chunks<S: Number, T>(
        &self,
        chunks: &Range<usize>,
        out: &mut [T],
        convert: &impl Fn(S) -> T,
    ) -> Result<()> {
        let ranges: Vec<Range<usize>> = self.plan.byte_ranges(chunks).collect();
        let mut slices: Vec<&[u8]> = Vec::with_capacity(ranges.len());
        // The plan's ranges lie within the part, and the part within the file.
        if let Some(bytes) = self.source.as_bytes() {
            for range in ranges {
                let start = usize_of(self.offset) + range.start;
                slices.push(bytes.get(start..start + range.len()).unwrap_or_default());
            }
            return decode_group(&self.plan, chunks, &slices, out, convert);
        }
        // Taken out, not borrowed: a source may well decode something itself on this thread.
        let mut buffer = READ_BUFFER.take();
        let len = ranges.iter().map(Range::len).sum();
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let mut rest = buffer.as_mut_slice();
        for range in ranges {
            let (here, after) = std::mem::take(&mut rest).split_at_mut(range.len());
            read_into(
                self.source,
                "payload",
                here,
                self.offset + range.start as u64,
            )?;
            slices.push(here);
            rest = after;
        }
        let decoded = decode_group(&self.plan, chunks, &slices, out, convert);
        READ_BUFFER.set(buffer);
        decoded
    }
}

/// A length within one part or one buffer in memory.
pub(super) fn usize_of(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
