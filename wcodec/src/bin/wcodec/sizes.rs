//! The lengths and times that every closing line and JSON object is made of.

use crate::failure::Outcome;
use crate::units;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use wcodec::checkpoint::ImportSummary;
use wcodec::{Error, Reader};

/// A checkpoint and its `.wcodec` file.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sizes {
    /// The safetensors files.
    pub(crate) source_bytes: u64,
    /// The `.wcodec` file.
    pub(crate) file_bytes: u64,
    /// The attachments in it.
    pub(crate) attachment_bytes: u64,
    /// Tensors.
    pub(crate) tensors: u64,
    /// Elements of all tensors.
    pub(crate) elements: u64,
}

/// [`Sizes`], what follows from them, and how long the work took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    sizes: Sizes,
    /// Length of the safetensors files to that of the `.wcodec` file without its attachments.
    ratio: Option<f64>,
    bits_per_weight: Option<f64>,
    seconds: f64,
    /// 10^9 bytes of the safetensors files a second.
    gb_per_s: f64,
}

impl Sizes {
    /// Adds up what the index says; the file's own length comes from the file system.
    pub(crate) fn of(reader: &Reader) -> Outcome<Self> {
        let path = reader.path().unwrap_or(Path::new(""));
        let metadata = std::fs::metadata(path).map_err(|error| Error::from(error).in_file(path))?;
        Ok(Self {
            source_bytes: total(reader.sources().iter().map(|source| source.file_bytes)),
            file_bytes: metadata.len(),
            attachment_bytes: total(
                reader
                    .attachments()
                    .iter()
                    .map(|attachment| attachment.byte_len()),
            ),
            tensors: reader.tensors().len() as u64,
            elements: total(reader.tensors().iter().map(|tensor| tensor.num_elems())),
        })
    }

    /// The file without its attachments.
    pub(crate) fn coded_bytes(&self) -> u64 {
        self.file_bytes.saturating_sub(self.attachment_bytes)
    }

    /// Safetensors bytes to bytes of the file without its attachments.
    pub(crate) fn ratio(&self) -> Option<f64> {
        units::ratio(self.source_bytes, self.coded_bytes())
    }

    /// Bits of the file without its attachments for each element.
    pub(crate) fn bits_per_weight(&self) -> Option<f64> {
        units::bits_per_weight(self.coded_bytes(), self.elements)
    }

    /// With the time it took.
    pub(crate) fn measured(self, time: Duration) -> Measured {
        Measured {
            sizes: self,
            ratio: self.ratio(),
            bits_per_weight: self.bits_per_weight(),
            seconds: time.as_secs_f64(),
            gb_per_s: units::bytes_per_second(self.source_bytes, time) / 1e9,
        }
    }
}

impl From<&ImportSummary> for Sizes {
    fn from(summary: &ImportSummary) -> Self {
        Self {
            source_bytes: summary.source_bytes,
            file_bytes: summary.file_bytes,
            attachment_bytes: summary.attachment_bytes,
            tensors: summary.num_tensors as u64,
            elements: summary.num_elems,
        }
    }
}

/// A sum that a file cannot make overflow.
pub(crate) fn total(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::saturating_add)
}
