//! Writing a container, region by region, to anything that can be written and sought.

use super::header::Header;
use super::index::{
    self, AttachmentInfo, Region, SourceInfo, TensorId, TensorInfo, valid_file_name,
};
use crate::Dtype;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{FOOTER_BYTES, HEADER_BYTES, REGION_ALIGN, checksum};
use crate::limits::{Limits, check};
use crate::search::{Effort, layout};
use crate::tensor::PartEntry;
use std::io::{ErrorKind as IoErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Writes the bytes of a `.wcodec` file, from the sink's start on. They are whole after [`finish`](Self::finish).
#[derive(Debug)]
pub(crate) struct Writer<W> {
    sink: W,
    /// What errors of the sink are said to be about.
    target: Option<PathBuf>,
    at: u64,
    sources: Vec<SourceInfo>,
    attachments: Vec<AttachmentInfo>,
    tensors: Vec<TensorInfo>,
}

/// A tensor about to be written.
#[derive(Debug, Clone)]
pub(crate) struct TensorSpec {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) source: usize,
    pub(crate) data_offset: u64,
    pub(crate) raw_bytes: u64,
}

/// What encoding a tensor gave.
#[derive(Debug)]
pub(crate) struct EncodedTensor {
    pub(crate) chunk_samples: u32,
    pub(crate) digest: [u8; 32],
    pub(crate) duplicate_of: Option<TensorId>,
    pub(crate) parts: Vec<PartEntry>,
}

impl TensorSpec {
    /// Samples of each of its chunks.
    pub(crate) fn chunk_samples(&self, effort: Effort) -> u32 {
        let row_samples = if self.shape.len() > 1 {
            self.row_samples()
        } else {
            1
        };
        let sample_bytes = u64::from(self.dtype.sample_form().bytes);
        layout::chunk_samples(self.raw_bytes / sample_bytes, row_samples, effort)
    }

    /// Samples along the last dimension, 0 if that is not a whole number.
    pub(crate) fn row_samples(&self) -> u64 {
        let sample_bytes = u64::from(self.dtype.sample_form().bytes);
        let row_elems = self.shape.last().copied().unwrap_or(1);
        let row_bytes = self.dtype.bytes_of(row_elems).unwrap_or(0);
        if row_bytes.is_multiple_of(sample_bytes) {
            row_bytes / sample_bytes
        } else {
            0
        }
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a container in `sink`, whose errors name `target`.
    ///
    /// # Errors
    ///
    /// `Io`, with the target.
    pub(crate) fn new(sink: W, target: Option<&Path>) -> Result<Self> {
        let mut writer = Self {
            sink,
            target: target.map(Path::to_owned),
            at: 0,
            sources: Vec::new(),
            attachments: Vec::new(),
            tensors: Vec::new(),
        };
        let place = writer.sink.seek(SeekFrom::Start(0));
        place.map_err(|error| writer.in_target(Error::from(error)))?;
        writer.append(&[&[0; HEADER_BYTES]])?;
        Ok(writer)
    }

    fn in_target(&self, error: Error) -> Error {
        match &self.target {
            Some(target) => error.in_file(target),
            None => error,
        }
    }

    /// Appends bytes, given in pieces, as a region of their own and says where they lie.
    fn append(&mut self, pieces: &[&[u8]]) -> Result<Region> {
        let offset = self.at.next_multiple_of(REGION_ALIGN as u64);
        let padding = [0; REGION_ALIGN];
        // Less than one alignment unit.
        let gap = usize::try_from(offset - self.at).unwrap_or(0);
        let pieces_and_gap = std::iter::once(&padding[..gap]).chain(pieces.iter().copied());
        let mut slices: Vec<IoSlice<'_>> = pieces_and_gap.map(IoSlice::new).collect();
        write_all(&mut self.sink, &mut slices)
            .map_err(|error| self.in_target(Error::from(error)))?;
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        self.at = offset + len;
        Ok(Region { offset, len })
    }

    /// Adds a safetensors file's first bytes, as they are. Its tensors refer to it by the order of these calls.
    pub(crate) fn add_source(&mut self, name: &str, header: &[u8], file_bytes: u64) -> Result<()> {
        let region = self.append(&[header])?;
        let header_crc = checksum(header);
        self.sources.push(SourceInfo {
            name: name.to_owned(),
            file_bytes,
            header: region,
            header_crc,
        });
        Ok(())
    }

    /// Adds a file that rides along.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if `name` is not a plain file name or is taken; `Io`.
    pub(crate) fn add_attachment(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if !valid_file_name(name) {
            let kind = ErrorKind::InvalidArgument {
                what: "not a plain file name, so it cannot be attached",
            };
            return Err(Error::from(kind).in_file(Path::new(name)));
        }
        if self
            .attachments
            .iter()
            .any(|attachment| attachment.name == name)
        {
            let kind = ErrorKind::InvalidArgument {
                what: "attached twice under one name",
            };
            return Err(Error::from(kind).in_file(Path::new(name)));
        }
        let region = self.append(&[bytes])?;
        self.attachments.push(AttachmentInfo {
            name: name.to_owned(),
            region,
            crc: checksum(bytes),
        });
        Ok(())
    }

    /// Writes an encoded part's payload, given in pieces, and completes its entry.
    pub(crate) fn add_part(
        &mut self,
        mut entry: PartEntry,
        payload: &[&[u8]],
    ) -> Result<PartEntry> {
        let region = self.append(payload)?;
        entry.offset = region.offset;
        Ok(entry)
    }

    /// Adds a tensor whose parts are written.
    pub(crate) fn add_tensor(&mut self, spec: TensorSpec, encoded: EncodedTensor) -> TensorId {
        let id = TensorId(u32::try_from(self.tensors.len()).unwrap_or(u32::MAX));
        self.tensors.push(TensorInfo {
            name: spec.name,
            dtype: spec.dtype,
            shape: spec.shape,
            source: spec.source,
            data_offset: spec.data_offset,
            raw_bytes: spec.raw_bytes,
            duplicate_of: encoded.duplicate_of,
            digest: encoded.digest,
            chunk_samples: encoded.chunk_samples,
            parts: encoded.parts,
        });
        id
    }

    /// The tensors added so far.
    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Writes index, footer and header. Returns the sink and the length of the container.
    ///
    /// # Errors
    ///
    /// `LimitExceeded` if the index is longer than a reader's default [`Limits`] allow; `Io`.
    pub(crate) fn finish(mut self) -> Result<(W, u64)> {
        let index = index::write(&self.sources, &self.attachments, &self.tensors);
        let most = Limits::default().max_index_bytes;
        check("length of the index", index.len() as u64, most)
            .map_err(|kind| self.in_target(Error::from(kind)))?;
        let place = self.append(&[&index])?;
        let header = Header {
            index_offset: place.offset,
            index_bytes: place.len,
            index_crc: checksum(&index),
            file_bytes: self.at + FOOTER_BYTES as u64,
        };
        let mut complete = || -> std::io::Result<()> {
            self.sink.write_all(&header.footer())?;
            self.sink.seek(SeekFrom::Start(0))?;
            self.sink.write_all(&header.to_bytes())?;
            self.sink.flush()
        };
        complete().map_err(|error| self.in_target(Error::from(error)))?;
        Ok((self.sink, header.file_bytes))
    }
}

/// Writes all of `slices`, as many at a time as the sink takes.
fn write_all(sink: &mut impl Write, mut slices: &mut [IoSlice<'_>]) -> std::io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0); // drops empty ones, which would look like a full sink
    while !slices.is_empty() {
        match sink.write_vectored(slices) {
            Ok(0) => return Err(IoErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == IoErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
