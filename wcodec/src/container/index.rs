//! The index: what the file holds and where (FORMAT.md, section 3).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod read;
mod regions;
mod write;

pub(super) use read::read;
pub(super) use regions::Region;
pub(super) use write::write;

use crate::Dtype;
use crate::samples::Mapping;
use crate::tensor::{Method, PartEntry, Truncation};
use std::collections::HashMap;
use std::ops::Range;

/// A tensor of one file, by its place in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub(crate) u32);

impl TensorId {
    /// The tensor's place in [`Reader::tensors`](crate::Reader::tensors).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A safetensors file that the container was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceInfo {
    /// Its file name.
    pub name: String,
    /// Its length in bytes.
    pub file_bytes: u64,
    pub(crate) header: Region,
    pub(crate) header_crc: u32,
}

impl SourceInfo {
    /// Length of its header in bytes, the length field included.
    pub fn header_bytes(&self) -> u64 {
        self.header.len
    }
}

/// A file that rides along.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachmentInfo {
    /// Its file name.
    pub name: String,
    pub(crate) region: Region,
    pub(crate) crc: u32,
}

impl AttachmentInfo {
    /// Its length in bytes.
    pub fn byte_len(&self) -> u64 {
        self.region.len
    }
}

/// A part of a tensor as the index describes it: a run of chunks that lies in one region of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartInfo {
    /// How its payload holds its samples: `chunked`, `stored` or `constant`.
    pub method: &'static str,
    /// How its samples are mapped before they are split: `unsigned`, `zigzag` or `float`.
    pub mapping: &'static str,
    /// Bits of a sample that are coded as one symbol; 0 for a part that is not chunked.
    pub symbol_bits: u8,
    /// Bits of a sample that are stored.
    pub stored_bits: u8,
    /// Low bits that are zero in every sample.
    pub zero_bits: u8,
    /// Its first chunk, counted within the tensor.
    pub first_chunk: u32,
    /// Its chunks.
    pub num_chunks: u32,
    /// Where its payload begins in the file.
    pub payload_offset_in_file: u64,
    /// Length of its payload.
    pub payload_bytes: u64,
    /// Length of the chunk table at the end of its payload; 0 for a part that is not chunked.
    pub table_bytes: u32,
    /// CRC32C of the chunk table, or of the whole payload of a part that is not chunked.
    pub crc: u32,
}

/// A tensor as the index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: Dtype,
    /// Its dimensions, outermost first.
    pub shape: Vec<u64>,
    /// The safetensors file it came from, as an index into [`Reader::sources`](crate::Reader::sources).
    pub source: usize,
    /// Where its bytes began in that file's data section.
    pub data_offset: u64,
    /// Length of its bytes.
    pub raw_bytes: u64,
    /// The tensor whose payload it shares, if its bytes are the same.
    pub duplicate_of: Option<TensorId>,
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    pub(crate) chunk_samples: u32,
    pub(crate) parts: Vec<PartEntry>,
}

impl TensorInfo {
    /// Elements: the product of the dimensions.
    pub fn num_elems(&self) -> u64 {
        self.shape.iter().product() // checked when the index was read
    }

    /// Length of its payload in the file; 0 for a duplicate.
    pub fn coded_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.len).sum()
    }

    /// How it is coded, for people: `rans 8 + 8 stored`, `stored`, `constant`, `duplicate`.
    pub fn tools(&self) -> String {
        if self.duplicate_of.is_some() {
            return "duplicate".into();
        }
        let mut names: Vec<String> = Vec::new();
        for part in &self.parts {
            let split = part.split;
            let name = match part.method {
                Method::Stored => "stored".into(),
                Method::Constant => "constant".into(),
                Method::Chunked if split.stored_bits == 0 => format!("rans {}", split.symbol_bits),
                Method::Chunked => {
                    format!("rans {} + {} stored", split.symbol_bits, split.stored_bits)
                }
                Method::Packed if split.stored_bits == 0 => "packed".into(),
                Method::Packed => format!("packed + {} stored", split.stored_bits),
                Method::Tools => format!("tools, rans {}", split.symbol_bits),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            "empty".into()
        } else {
            names.join(", ")
        }
    }

    /// How far elements may be off that are decoded from the `num_planes` most significant stored planes, for a float
    /// tensor.
    pub fn truncation(&self, num_planes: usize) -> Truncation {
        let parts = self.parts.iter().map(|part| {
            let chunks = part.first_chunk..part.first_chunk.saturating_add(part.num_chunks);
            let samples_of = chunks.map(|chunk| {
                let samples = self.samples_of(&(chunk..chunk.saturating_add(1)));
                usize::try_from(samples.end.saturating_sub(samples.start)).unwrap_or(usize::MAX)
            });
            part.truncation(num_planes, self.dtype, samples_of)
        });
        let whole = Truncation {
            planes_left_out: 0,
            bytes_left_out: 0,
            relative_error: 0.0,
        };
        parts.fold(whole, |worst, part| Truncation {
            planes_left_out: worst.planes_left_out.max(part.planes_left_out),
            bytes_left_out: worst.bytes_left_out.saturating_add(part.bytes_left_out),
            relative_error: worst.relative_error.max(part.relative_error),
        })
    }

    /// Samples of each of its chunks but the last, which may have fewer.
    pub fn chunk_samples(&self) -> u32 {
        self.chunk_samples
    }

    /// Its parts, in order; none for a duplicate and for a tensor without elements.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = PartInfo> + DoubleEndedIterator {
        self.parts.iter().map(|part| PartInfo {
            method: part.method.name(),
            mapping: match part.split.mapping {
                Mapping::Unsigned => "unsigned",
                Mapping::Zigzag => "zigzag",
                Mapping::Float => "float",
            },
            symbol_bits: part.split.symbol_bits,
            stored_bits: part.split.stored_bits,
            zero_bits: part.split.zero_bits,
            first_chunk: part.first_chunk,
            num_chunks: part.num_chunks,
            payload_offset_in_file: part.offset,
            payload_bytes: part.len,
            table_bytes: part.table_bytes,
            crc: part.crc,
        })
    }

    pub(crate) fn sample_bytes(&self) -> usize {
        usize::from(self.dtype.sample_form().bytes)
    }

    pub(crate) fn num_samples(&self) -> u64 {
        self.raw_bytes
            .checked_div(self.sample_bytes() as u64)
            .unwrap_or(0)
    }

    /// The samples of chunks `range`.
    pub(crate) fn samples_of(&self, range: &Range<u32>) -> Range<u64> {
        let at = |chunk: u32| {
            u64::from(chunk)
                .saturating_mul(u64::from(self.chunk_samples))
                .min(self.num_samples())
        };
        at(range.start)..at(range.end)
    }
}

/// A whole index, every rule of FORMAT.md section 3 checked.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) sources: Vec<SourceInfo>,
    pub(super) attachments: Vec<AttachmentInfo>,
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) by_name: HashMap<String, TensorId>,
    /// The padding between regions.
    pub(super) gaps: Vec<Region>,
}

/// Whether `name` can be a file's name in the folder a checkpoint is restored to, on any system.
pub(crate) fn valid_file_name(name: &str) -> bool {
    let reserved = |c: char| {
        c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    !name.is_empty() && name.len() <= 255 && name != "." && name != ".." && !name.contains(reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_stay_in_their_folder() {
        for good in ["model.safetensors", "config.json", "ünï.json", "..a"] {
            assert!(valid_file_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/etc/passwd",
            "..\\x",
            "C:x",
            "a\0b",
            "a\nb",
        ] {
            assert!(!valid_file_name(bad), "{bad}");
        }
    }
}
