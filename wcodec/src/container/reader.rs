//! Reading a container: the index first, then any tensor, any range of its rows, any attachment.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod part;
mod region;
mod tensor;

use super::header::Header;
use super::index::{self, AttachmentInfo, Index, Region, SourceInfo, TensorId, TensorInfo};
use super::read_at::{FileSource, ReadAt};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{FOOTER_BYTES, HEADER_BYTES};
use crate::limits::{Limits, check};
use region::{read_checked, read_into, read_region};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// An open `.wcodec` file. The header and the index are read and checked; payloads are read when they are asked for.
///
/// Decoding runs on the current rayon pool, in parallel over a tensor's chunks.
///
/// # Examples
///
/// See the [crate documentation](crate).
pub struct Reader {
    source: Box<dyn ReadAt>,
    path: Option<PathBuf>,
    index: Index,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tensors = self.index.tensors.len();
        f.debug_struct("Reader")
            .field("path", &self.path)
            .field("tensors", &tensors)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a file for plain reads, with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// `Io` if the file cannot be read; otherwise as [`Reader::new`]. The error names the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &Limits::default())
    }

    /// Opens a file for plain reads.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| Error::from(error).in_file(path))?;
        let mut reader =
            Self::new(FileSource::new(file), limits).map_err(|error| error.in_file(path))?;
        reader.path = Some(path.to_owned());
        Ok(reader)
    }

    /// Opens a file through a memory map.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    ///
    /// # Safety
    ///
    /// No process may change or truncate the file while the reader lives; see [`memmap2::Mmap::map`].
    #[cfg(feature = "mmap")]
    #[expect(unsafe_code, reason = "memory mapping")]
    pub unsafe fn open_mapped(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| Error::from(error).in_file(path))?;
        // SAFETY: the caller promises that the file does not change.
        let map = unsafe { memmap2::Mmap::map(&file) }
            .map_err(|error| Error::from(error).in_file(path))?;
        let mut reader = Self::new(map, limits).map_err(|error| error.in_file(path))?;
        reader.path = Some(path.to_owned());
        Ok(reader)
    }

    /// Opens whatever can be read at a position. Three reads: header, index, footer.
    ///
    /// # Errors
    ///
    /// `BadMagic`, `UnsupportedVersion`, `UnsupportedFeature`, `Truncated`, `ChecksumMismatch`, `Malformed`,
    /// `LimitExceeded`, `Io`.
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub fn new(source: impl ReadAt + 'static, limits: &Limits) -> Result<Self> {
        let available = source.byte_len()?;
        // A short file still gets the error that its first bytes deserve.
        let head = read_region(
            &source,
            "header",
            Region {
                offset: 0,
                len: available.min(HEADER_BYTES as u64),
            },
        )?;
        let header = Header::read(&head)?;
        drop(head);
        if header.file_bytes > available {
            let what = "the file, by its own header,";
            return Err(ErrorKind::Truncated {
                what,
                needed: header.file_bytes,
                available,
            }
            .into());
        }
        if header.file_bytes < available {
            let error = Error::from(ErrorKind::Malformed {
                what: "byte after the end of the footer",
                rule: "2.2",
            });
            return Err(error.at_byte(header.file_bytes));
        }
        check(
            "length of the index",
            header.index_bytes,
            limits.max_index_bytes,
        )?;
        let place = Region {
            offset: header.index_offset,
            len: header.index_bytes,
        };
        let bytes = read_checked(&source, "index", place, header.index_crc)?;
        let footer_at = Region {
            offset: header.file_bytes - FOOTER_BYTES as u64,
            len: FOOTER_BYTES as u64,
        };
        if *read_region(&source, "footer", footer_at)? != *header.footer() {
            let error = Error::from(ErrorKind::Malformed {
                what: "footer",
                rule: "2.2",
            });
            return Err(error.at_byte(footer_at.offset));
        }
        let index = index::read(&bytes, place, limits)?;
        drop(bytes);
        Ok(Self {
            source: Box::new(source),
            path: None,
            index,
        })
    }

    /// The file's path, if it was opened by one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The tensors, in the order in which their payloads lie in the file: the order of first use.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.index.tensors
    }

    /// The ids of [`tensors`](Self::tensors), in their order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = TensorId> + use<> {
        (0..u32::try_from(self.index.tensors.len()).unwrap_or(u32::MAX)).map(TensorId)
    }

    /// The tensor of that name.
    pub fn find(&self, name: &str) -> Option<TensorId> {
        self.index.by_name.get(name).copied()
    }

    /// What the index says of a tensor.
    ///
    /// # Panics
    ///
    /// If `id` came from another reader with more tensors.
    #[expect(
        clippy::indexing_slicing,
        reason = "documented: the id is one of this reader's"
    )]
    pub fn info(&self, id: TensorId) -> &TensorInfo {
        &self.index.tensors[id.index()]
    }

    /// The safetensors files that the container was made of.
    pub fn sources(&self) -> &[SourceInfo] {
        &self.index.sources
    }

    /// The files that ride along.
    pub fn attachments(&self) -> &[AttachmentInfo] {
        &self.index.attachments
    }

    /// Says that `bytes`, a range of the file, will be asked for soon. A hint: see [`ReadAt::will_need`].
    pub fn will_need(&self, bytes: Range<u64>) {
        let len = bytes.end.saturating_sub(bytes.start);
        self.source.will_need(bytes.start, len);
    }

    /// Fills `out` with the bytes at `offset` of the file, without a check: for the payloads of [`parts`](Self::parts),
    /// which [`plan_part`](Self::plan_part) checks.
    ///
    /// # Errors
    ///
    /// `Truncated` if they are not all there, `Io`.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        read_into(&*self.source, "payload", out, offset).map_err(|error| self.placed(error))
    }

    /// The bytes of an attachment, or `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// `ChecksumMismatch`, `Io`.
    pub fn attachment(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(found) = self
            .index
            .attachments
            .iter()
            .find(|attachment| attachment.name == name)
        else {
            return Ok(None);
        };
        let bytes = read_checked(&*self.source, "attachment", found.region, found.crc);
        bytes
            .map(|bytes| Some(bytes.into_owned()))
            .map_err(|error| self.placed(error))
    }

    /// The first bytes of a source file: the header's length and the header, as they were.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if there are not that many sources; `ChecksumMismatch`, `Io`.
    pub fn source_header(&self, source: usize) -> Result<Vec<u8>> {
        let info = self
            .index
            .sources
            .get(source)
            .ok_or(ErrorKind::InvalidArgument {
                what: "no such source file",
            })?;
        let bytes = read_checked(
            &*self.source,
            "safetensors header",
            info.header,
            info.header_crc,
        );
        bytes
            .map(Cow::into_owned)
            .map_err(|error| self.placed(error))
    }

    /// Checks that the bytes between the regions of the file are zero, the only ones that no checksum covers.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 2.3), `Io`.
    pub fn check_padding(&self) -> Result<()> {
        for &gap in &self.index.gaps {
            let bytes =
                read_region(&*self.source, "padding", gap).map_err(|error| self.placed(error))?;
            if bytes.iter().any(|&byte| byte != 0) {
                let error = Error::from(ErrorKind::Malformed {
                    what: "padding",
                    rule: "2.3",
                })
                .at_byte(gap.offset);
                return Err(self.placed(error));
            }
        }
        Ok(())
    }

    /// Adds the file to an error.
    fn placed(&self, error: Error) -> Error {
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}
