//! Parts as a decoder outside this crate takes them: a GPU's, which gets the bytes as they lie in the file and a
//! [`Plan`] of them.
//!
//! A host reads a part's payload ([`Reader::parts`] says from where), checks and plans it ([`Reader::plan_part`]), and
//! hands both to the device. What is checked is all that the CPU decoder checks before it decodes: every checksum, the
//! chunk table, tables, the record of the tools. What is left for the device are the rules that only decoding can tell:
//! the states and words of rANS (FORMAT.md 6.3), positions and literals of escapes (4.3), the predictors of tiles and
//! the number of bits (4.4).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod coding;
mod plan;
#[cfg(test)]
mod tests;

pub use coding::{Bucket, Classes, CodeBook, Coding, Share, Slots, Table, Tools, Values};
pub use plan::{Chunk, Plan, Split};

use crate::container::{Reader, TensorId, TensorInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{CHUNK_MAX_SAMPLES, checksum};
use crate::tensor::{ChunkTable, Method, PartEntry};
use std::ops::Range;

/// A part of a tensor: what to read, and what it decodes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartInfo {
    /// Where its payload lies in the file, whole: coded bytes, planes, chunk table.
    pub file: Range<u64>,
    /// Bytes of the tensor that it decodes to.
    pub raw: Range<u64>,
    /// Its chunks.
    pub num_chunks: u32,
}

impl Reader {
    /// The parts of a tensor, in order; those of its original, if it is a duplicate. None for a tensor without
    /// elements.
    ///
    /// # Panics
    ///
    /// If `id` came from another reader with more tensors.
    pub fn parts(&self, id: TensorId) -> Vec<PartInfo> {
        let info = self.original(id);
        let sample_bytes = info.sample_bytes() as u64;
        let part_info = |part: &PartEntry| {
            let end_chunk = part.first_chunk.saturating_add(part.num_chunks);
            let samples = info.samples_of(&(part.first_chunk..end_chunk));
            // The index promises that both fit.
            PartInfo {
                file: part.offset..part.offset.saturating_add(part.len),
                raw: samples.start.saturating_mul(sample_bytes)
                    ..samples.end.saturating_mul(sample_bytes),
                num_chunks: part.num_chunks,
            }
        };
        info.parts.iter().map(part_info).collect()
    }

    /// Checks every checksum of a part's payload and its chunk table, and plans its decoding. `part` counts
    /// [`parts`](Self::parts), `payload` are the bytes of its [`file`](PartInfo::file) range.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if there is no such part or the payload is not as long as it; `ChecksumMismatch`, `Truncated`,
    /// `UnsupportedFeature`, `Malformed`, with file, tensor and chunk.
    ///
    /// # Panics
    ///
    /// Never, for any payload. If `id` came from another reader with more tensors.
    pub fn plan_part(&self, id: TensorId, part: usize, payload: &[u8]) -> Result<Plan> {
        let info = self.original(id);
        let planned = match info.parts.get(part) {
            Some(part) => plan(info, part, payload),
            None => Err(invalid("the tensor has no such part")),
        };
        planned.map_err(|error| self.tensor_error(self.info(id), error))
    }

    /// The tensor whose payload a tensor has.
    fn original(&self, id: TensorId) -> &TensorInfo {
        let named = self.info(id);
        named
            .duplicate_of
            .map_or(named, |original| self.info(original))
    }
}

fn invalid(what: &'static str) -> Error {
    ErrorKind::InvalidArgument { what }.into()
}

fn plan(info: &TensorInfo, part: &PartEntry, payload: &[u8]) -> Result<Plan> {
    if payload.len() as u64 != part.len {
        return Err(invalid("the payload is not as long as the part"));
    }
    let (checked, what) = if part.method.has_chunks() {
        // The index promises that the table lies within the payload.
        let table_bytes = usize::try_from(part.table_bytes).unwrap_or(usize::MAX);
        let at = payload.len().saturating_sub(table_bytes);
        (payload.get(at..).unwrap_or_default(), "chunk table")
    } else {
        (payload, "payload")
    };
    let computed = checksum(checked);
    if computed != part.crc {
        let mismatch = ErrorKind::ChecksumMismatch {
            what,
            stored: part.crc,
            computed,
        };
        let before = payload.len().saturating_sub(checked.len()) as u64;
        return Err(Error::from(mismatch).at_byte(part.offset.saturating_add(before)));
    }
    let form = Form::of(info, part);
    if !part.method.has_chunks() {
        return Ok(form.plan_without_table(part));
    }
    let table = ChunkTable::read(
        checked,
        part,
        form.sample_bytes,
        form.chunks().map(|chunk| chunk.1),
    )?;
    verify_chunks(&table, part, payload)?;
    Ok(Plan::of_table(info.dtype, form.sample_bytes, table))
}

/// Compares every chunk with its checksums.
fn verify_chunks(table: &ChunkTable, part: &PartEntry, payload: &[u8]) -> Result<()> {
    let bytes = |range: Range<usize>| payload.get(range).unwrap_or_default();
    for (index, (chunk, number)) in table.chunks.iter().zip(part.first_chunk..).enumerate() {
        let planes = table.plane_offsets.iter().map(|offsets| {
            let at = |index: usize| offsets.get(index).copied().unwrap_or(0);
            bytes(at(index)..at(index.saturating_add(1)))
        });
        let entry = &chunk.entry;
        let has_planes = part.method != Method::Tools && entry.mode == crate::chunk::Mode::Coded;
        let verified = entry.verify_coded(bytes(chunk.coded.clone()));
        let verified = verified.and_then(|()| {
            if has_planes {
                entry.verify_planes(planes)
            } else {
                Ok(())
            }
        });
        verified.map_err(|kind| Error::from(kind).in_chunk(number))?;
    }
    Ok(())
}

/// How a part's samples are cut into chunks.
struct Form<'a> {
    info: &'a TensorInfo,
    sample_bytes: usize,
    first: u32,
    num: u32,
}

impl<'a> Form<'a> {
    fn of(info: &'a TensorInfo, part: &PartEntry) -> Self {
        Self {
            info,
            sample_bytes: info.sample_bytes(),
            first: part.first_chunk,
            num: part.num_chunks,
        }
    }

    /// Number and samples of each chunk.
    fn chunks(&self) -> impl Iterator<Item = (u32, usize)> {
        let end = self.first.saturating_add(self.num);
        (self.first..end).map(|number| (number, self.samples(number..number.saturating_add(1))))
    }

    fn samples(&self, chunks: Range<u32>) -> usize {
        let samples = self.info.samples_of(&chunks);
        usize::try_from(samples.end.saturating_sub(samples.start)).unwrap_or(usize::MAX)
    }

    /// The plan of a stored or constant part. Its chunks are runs of the tensor's that are as long together as one may
    /// be: tiny ones would take more room in a plan than in the file.
    fn plan_without_table(&self, part: &PartEntry) -> Plan {
        let at_once = CHUNK_MAX_SAMPLES
            .checked_div(self.info.chunk_samples)
            .unwrap_or(1)
            .max(1);
        let end = self.first.saturating_add(self.num);
        let starts = (self.first..end).step_by(usize::try_from(at_once).unwrap_or(usize::MAX));
        let runs = starts.map(|start| {
            (
                start,
                self.samples(start..start.saturating_add(at_once).min(end)),
            )
        });
        Plan::without_table(
            self.info.dtype,
            self.sample_bytes,
            part.method == Method::Constant,
            runs,
        )
    }
}
