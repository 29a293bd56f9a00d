//! The header of a safetensors file, read without the rest of it.

use anyhow::{Context, ensure};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::ops::Range;
use wcodec::ReadAt;

const LENGTH_BYTES: usize = 8;
/// What the safetensors library accepts.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A file's tensors.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) tensors: Vec<Entry>,
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// In the file.
    pub(crate) bytes: Range<u64>,
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// If the file is none of safetensors, or too short.
    pub(crate) fn read(file: &dyn ReadAt) -> anyhow::Result<Self> {
        let mut length = [0; LENGTH_BYTES];
        file.read_exact_at(&mut length, 0)?;
        let length = u64::from_le_bytes(length);
        ensure!(length <= MAX_HEADER_BYTES, "not a safetensors file");
        let mut text = vec![0; usize::try_from(length)?];
        file.read_exact_at(&mut text, LENGTH_BYTES as u64)?;
        let metadata: Metadata = serde_json::from_slice(&text).context("not a safetensors file")?;
        let data_at = LENGTH_BYTES as u64 + length;
        let file_bytes = file.byte_len()?;
        let mut tensors = Vec::new();
        for (name, info) in metadata.tensors() {
            let (start, end) = info.data_offsets;
            let bytes = data_at + start as u64..data_at + end as u64;
            ensure!(
                bytes.end <= file_bytes,
                "tensor `{name}` lies behind the end of the file"
            );
            tensors.push(Entry {
                dtype: info.dtype,
                shape: info.shape.clone(),
                name,
                bytes,
            });
        }
        tensors.sort_by_key(|tensor| tensor.bytes.start);
        Ok(Self { tensors })
    }
}
