//! What `inspect` shows, as `--json` prints it.

use crate::failure::Outcome;
use crate::sizes::{Sizes, total};
use crate::units;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use wcodec::{Dtype, Reader, TensorId, TensorInfo};

/// A whole file.
#[derive(Debug, Serialize)]
pub(super) struct FileView<'a> {
    pub(super) file: &'a Path,
    pub(super) version: u16,
    #[serde(flatten)]
    pub(super) sizes: Sizes,
    /// Payloads of the tensors, their chunk tables included.
    pub(super) payload_bytes: u64,
    /// The headers of the safetensors files.
    pub(super) source_header_bytes: u64,
    /// Header, index, footer and the padding between regions.
    pub(super) index_bytes: u64,
    pub(super) ratio: Option<f64>,
    pub(super) bits_per_weight: Option<f64>,
    pub(super) sources: Vec<NamedBytes<'a>>,
    pub(super) attachments: Vec<NamedBytes<'a>>,
    /// One for each dtype, by name.
    pub(super) totals: Vec<Total>,
    #[serde(rename = "tensors")]
    pub(super) list: Vec<TensorView<'a>>,
}

/// A file's name and length.
#[derive(Debug, Serialize)]
pub(super) struct NamedBytes<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: u64,
}

/// The tensors of one dtype together.
#[derive(Debug, Default, Serialize)]
pub(super) struct Total {
    pub(super) dtype: &'static str,
    pub(super) tensors: u64,
    pub(super) elements: u64,
    pub(super) raw_bytes: u64,
    pub(super) coded_bytes: u64,
    pub(super) bits_per_weight: Option<f64>,
}

/// One tensor of a file.
#[derive(Debug, Serialize)]
pub(super) struct OneTensor<'a> {
    pub(super) file: &'a Path,
    pub(super) tensor: TensorView<'a>,
    /// Names of the tensors that share its payload.
    pub(super) duplicates: Vec<&'a str>,
}

/// A tensor.
#[derive(Debug, Serialize)]
pub(super) struct TensorView<'a> {
    pub(super) name: &'a str,
    pub(super) dtype: &'static str,
    pub(super) shape: &'a [u64],
    pub(super) elements: u64,
    pub(super) raw_bytes: u64,
    pub(super) coded_bytes: u64,
    pub(super) bits_per_weight: Option<f64>,
    pub(super) tools: String,
    /// The safetensors file it came from.
    pub(super) source: &'a str,
    pub(super) data_offset: u64,
    pub(super) duplicate_of: Option<&'a str>,
    /// BLAKE3 of its bytes.
    pub(super) digest: String,
    pub(super) chunk_samples: u32,
    pub(super) parts: Vec<PartView>,
}

/// A part of a tensor.
#[derive(Debug, Serialize)]
pub(super) struct PartView {
    pub(super) method: &'static str,
    pub(super) mapping: &'static str,
    pub(super) symbol_bits: u8,
    pub(super) stored_bits: u8,
    pub(super) zero_bits: u8,
    pub(super) first_chunk: u32,
    pub(super) num_chunks: u32,
    pub(super) payload_offset: u64,
    pub(super) payload_bytes: u64,
    pub(super) table_bytes: u32,
    pub(super) crc32c: String,
}

impl<'a> FileView<'a> {
    pub(super) fn of(reader: &'a Reader, file: &'a Path) -> Outcome<Self> {
        let sizes = Sizes::of(reader)?;
        let payload_bytes = total(reader.tensors().iter().map(TensorInfo::coded_bytes));
        let source_header_bytes =
            total(reader.sources().iter().map(|source| source.header_bytes()));
        Ok(Self {
            file,
            // The only one that a reader opens.
            version: wcodec::format::FORMAT_VERSION,
            sizes,
            payload_bytes,
            source_header_bytes,
            index_bytes: sizes
                .coded_bytes()
                .saturating_sub(payload_bytes.saturating_add(source_header_bytes)),
            ratio: sizes.ratio(),
            bits_per_weight: sizes.bits_per_weight(),
            sources: reader
                .sources()
                .iter()
                .map(|s| NamedBytes {
                    name: &s.name,
                    bytes: s.file_bytes,
                })
                .collect(),
            attachments: reader
                .attachments()
                .iter()
                .map(|a| NamedBytes {
                    name: &a.name,
                    bytes: a.byte_len(),
                })
                .collect(),
            totals: totals(reader.tensors()),
            list: reader
                .tensors()
                .iter()
                .map(|info| TensorView::of(reader, info))
                .collect(),
        })
    }
}

/// Adds the tensors up by dtype.
fn totals(tensors: &[TensorInfo]) -> Vec<Total> {
    let mut by_dtype: BTreeMap<Dtype, Total> = BTreeMap::new();
    for info in tensors {
        let sum = by_dtype.entry(info.dtype).or_default();
        sum.dtype = info.dtype.name();
        sum.tensors += 1;
        sum.elements = sum.elements.saturating_add(info.num_elems());
        sum.raw_bytes = sum.raw_bytes.saturating_add(info.raw_bytes);
        sum.coded_bytes = sum.coded_bytes.saturating_add(info.coded_bytes());
        sum.bits_per_weight = units::bits_per_weight(sum.coded_bytes, sum.elements);
    }
    by_dtype.into_values().collect()
}

impl<'a> OneTensor<'a> {
    pub(super) fn of(reader: &'a Reader, file: &'a Path, id: TensorId) -> Self {
        let twins = reader
            .tensors()
            .iter()
            .filter(|info| info.duplicate_of == Some(id));
        Self {
            file,
            tensor: TensorView::of(reader, reader.info(id)),
            duplicates: twins.map(|info| info.name.as_str()).collect(),
        }
    }
}

impl<'a> TensorView<'a> {
    fn of(reader: &'a Reader, info: &'a TensorInfo) -> Self {
        Self {
            name: &info.name,
            dtype: info.dtype.name(),
            shape: &info.shape,
            elements: info.num_elems(),
            raw_bytes: info.raw_bytes,
            coded_bytes: info.coded_bytes(),
            bits_per_weight: units::bits_per_weight(info.coded_bytes(), info.num_elems()),
            tools: info.tools(),
            source: reader
                .sources()
                .get(info.source)
                .map_or("", |source| &source.name),
            data_offset: info.data_offset,
            duplicate_of: info
                .duplicate_of
                .map(|original| reader.info(original).name.as_str()),
            digest: info
                .digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            chunk_samples: info.chunk_samples(),
            parts: info.parts().map(PartView::from).collect(),
        }
    }
}

impl From<wcodec::container::PartInfo> for PartView {
    fn from(part: wcodec::container::PartInfo) -> Self {
        Self {
            method: part.method,
            mapping: part.mapping,
            symbol_bits: part.symbol_bits,
            stored_bits: part.stored_bits,
            zero_bits: part.zero_bits,
            first_chunk: part.first_chunk,
            num_chunks: part.num_chunks,
            payload_offset: part.payload_offset_in_file,
            payload_bytes: part.payload_bytes,
            table_bytes: part.table_bytes,
            crc32c: format!("{:08x}", part.crc),
        }
    }
}
