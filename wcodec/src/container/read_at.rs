//! Where a reader's bytes come from.

use std::fs::File;
use std::io;

/// Anything that can be read at a position, by several threads at once.
///
/// Implemented for byte slices, for files by plain reads ([`FileSource`]) and, with feature `mmap`, for memory
/// maps. An implementation over the network needs nothing more: a [`Reader`](crate::Reader) opens with three
/// small reads and then asks for large ranges.
///
/// # Examples
///
/// ```
/// use wcodec::ReadAt;
/// let source: &[u8] = b"weights";
/// let mut bytes = [0; 3];
/// source.read_exact_at(&mut bytes, 2)?;
/// assert_eq!(&bytes, b"igh");
/// # std::io::Result::Ok(())
/// ```
pub trait ReadAt: Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    ///
    /// Whatever asking for it meets.
    fn byte_len(&self) -> io::Result<u64>;

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if they are not all there; whatever reading meets.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// All the bytes, where they lie in memory: a reader then copies nothing.
    fn as_bytes(&self) -> Option<&[u8]> {
        None
    }
}

/// The bytes `offset..offset + len` of `bytes`, if they are all there.
fn range_of(bytes: &[u8], offset: u64, len: usize) -> io::Result<&[u8]> {
    let start = usize::try_from(offset).ok();
    let range = start.and_then(|start| bytes.get(start..start.checked_add(len)?));
    range.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

macro_rules! impl_read_at_for_bytes {
    ($($ty:ty),*) => {$(
        impl ReadAt for $ty {
            fn byte_len(&self) -> io::Result<u64> {
                Ok(self.len() as u64)
            }

            fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
                buf.copy_from_slice(range_of(self, offset, buf.len())?);
                Ok(())
            }

            fn as_bytes(&self) -> Option<&[u8]> {
                Some(self)
            }
        }
    )*};
}

impl_read_at_for_bytes!(&[u8], Vec<u8>, std::sync::Arc<[u8]>);
#[cfg(feature = "mmap")]
impl_read_at_for_bytes!(memmap2::Mmap);

/// A file, read with plain positioned reads.
#[derive(Debug)]
pub struct FileSource {
    file: File,
}

impl FileSource {
    /// Reads from `file`, whatever its position.
    pub fn new(file: File) -> Self {
        Self { file }
    }
}

impl ReadAt for FileSource {
    fn byte_len(&self) -> io::Result<u64> {
        let metadata = self.file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(metadata.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.file, buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => {
                    buf = &mut buf[len..];
                    offset += len as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
