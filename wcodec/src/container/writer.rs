//! Writing a container: a temporary file beside the target that takes its name when it is whole.

use super::header::Header;
use super::index::{
    self, AttachmentInfo, Region, SourceInfo, TensorId, TensorInfo, valid_file_name,
};
use super::target;
use crate::Dtype;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{FOOTER_BYTES, HEADER_BYTES, REGION_ALIGN, checksum};
use crate::limits::{Limits, check};
use crate::search::layout;
use crate::tensor::PartEntry;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Writes a `.wcodec` file, region by region. Nothing stands under the target's name before
/// [`finish`](Self::finish), and a writer that is dropped leaves nothing behind.
#[derive(Debug)]
pub struct Writer {
    target: PathBuf,
    file: NamedTempFile,
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

impl TensorSpec {
    /// Samples of each of its chunks.
    pub(crate) fn chunk_samples(&self) -> u32 {
        let sample_bytes = u64::from(self.dtype.sample_form().bytes);
        let row_elems = if self.shape.len() > 1 {
            self.shape.last().copied().unwrap_or(1)
        } else {
            1
        };
        let row_bytes = self.dtype.bytes_of(row_elems).unwrap_or(0);
        let row_samples = if row_bytes.is_multiple_of(sample_bytes) {
            row_bytes / sample_bytes
        } else {
            0
        };
        layout::chunk_samples(self.raw_bytes / sample_bytes, row_samples)
    }
}

impl Writer {
    /// Creates the temporary file in the target's folder.
    ///
    /// # Errors
    ///
    /// `Io`, with the target.
    pub fn create(target: &Path) -> Result<Self> {
        let folder = target
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let open = || -> std::io::Result<NamedTempFile> {
            let mut file = target::temp_file_in(folder)?;
            file.write_all(&[0; HEADER_BYTES])?;
            Ok(file)
        };
        let file = open().map_err(|error| Error::from(error).in_file(target))?;
        Ok(Self {
            target: target.to_owned(),
            file,
            at: HEADER_BYTES as u64,
            sources: Vec::new(),
            attachments: Vec::new(),
            tensors: Vec::new(),
        })
    }

    /// Appends bytes as a region of their own and says where they lie.
    fn append(&mut self, bytes: &[u8]) -> Result<Region> {
        let offset = self.at.next_multiple_of(REGION_ALIGN as u64);
        let padding = [0; REGION_ALIGN];
        // Less than one alignment unit.
        let gap = usize::try_from(offset - self.at).unwrap_or(0);
        self.file
            .write_all(&padding[..gap])
            .and_then(|()| self.file.write_all(bytes))
            .map_err(|error| Error::from(error).in_file(&self.target))?;
        self.at = offset + bytes.len() as u64;
        Ok(Region {
            offset,
            len: bytes.len() as u64,
        })
    }

    /// Adds a safetensors file's first bytes, as they are. Its tensors refer to it by the order of these calls.
    pub(crate) fn add_source(&mut self, name: &str, header: &[u8], file_bytes: u64) -> Result<()> {
        let region = self.append(header)?;
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
    pub fn add_attachment(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
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
        let region = self.append(bytes)?;
        self.attachments.push(AttachmentInfo {
            name: name.to_owned(),
            region,
            crc: checksum(bytes),
        });
        Ok(())
    }

    /// Writes an encoded part's payload and completes its entry.
    pub(crate) fn add_part(&mut self, mut entry: PartEntry, payload: &[u8]) -> Result<PartEntry> {
        let region = self.append(payload)?;
        entry.offset = region.offset;
        Ok(entry)
    }

    /// Adds a tensor whose parts are written.
    pub(crate) fn add_tensor(
        &mut self,
        spec: TensorSpec,
        digest: [u8; 32],
        duplicate_of: Option<TensorId>,
        parts: Vec<PartEntry>,
    ) -> TensorId {
        let id = TensorId(u32::try_from(self.tensors.len()).unwrap_or(u32::MAX));
        let chunk_samples = spec.chunk_samples();
        let TensorSpec {
            name,
            dtype,
            shape,
            source,
            data_offset,
            raw_bytes,
        } = spec;
        self.tensors.push(TensorInfo {
            name,
            dtype,
            shape,
            source,
            data_offset,
            raw_bytes,
            duplicate_of,
            digest,
            chunk_samples,
            parts,
        });
        id
    }

    /// The tensors added so far.
    pub(crate) fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Writes index, footer and header, flushes everything to the disk, and gives the file its name.
    /// Returns its length.
    ///
    /// # Errors
    ///
    /// `TargetExists` if the target stands and `replace` is not given; `InvalidArgument` if it is no regular file;
    /// `LimitExceeded` if the index is longer than a reader's default [`Limits`] allow; `Io`.
    pub fn finish(mut self, replace: bool) -> Result<u64> {
        let index = index::write(&self.sources, &self.attachments, &self.tensors);
        let most = Limits::default().max_index_bytes;
        check("length of the index", index.len() as u64, most)
            .map_err(|kind| Error::from(kind).in_file(&self.target))?;
        let place = self.append(&index)?;
        let header = Header {
            index_offset: place.offset,
            index_bytes: place.len,
            index_crc: checksum(&index),
            file_bytes: self.at + FOOTER_BYTES as u64,
        };
        let mut complete = || -> std::io::Result<()> {
            self.file.write_all(&header.footer())?;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&header.to_bytes())?;
            self.file.flush()
        };
        complete().map_err(|error| Error::from(error).in_file(&self.target))?;
        target::persist(
            target::flushed(self.file, &self.target)?,
            &self.target,
            replace,
        )?;
        Ok(header.file_bytes)
    }
}
