//! Where a reader's bytes come from.

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;

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

    /// Says that the `len` bytes at `offset` will be read soon, so that they may come while something else is done.
    ///
    /// A hint, which changes nothing but time: it must not wait for the bytes, and what it meets is left to the
    /// reading. By default nothing happens.
    fn will_need(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }

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

/// Bytes of a file that one call asks the system for ahead.
#[cfg(target_os = "linux")]
const ADVICE_BYTES: u64 = 128 << 10;

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

    #[cfg(target_os = "linux")]
    fn will_need(&self, offset: u64, len: u64) {
        use rustix::fs::{Advice, fadvise};

        // The kernel cuts a call short where the device's own limits are, often at 128 KiB, and says nothing.
        let end = self.byte_len().unwrap_or(0).min(offset.saturating_add(len));
        let mut rest = offset..end;
        while !rest.is_empty() {
            let step = (rest.end - rest.start).min(ADVICE_BYTES);
            let advised = fadvise(
                &self.file,
                rest.start,
                NonZeroU64::new(step),
                Advice::WillNeed,
            );
            if advised.is_err() {
                return; // a pipe, a file system that cannot: reading works all the same
            }
            rest.start += step;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_hint_about_bytes_that_are_not_there_changes_nothing() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"weights").unwrap();
        let source = FileSource::new(file);
        for (offset, len) in [
            (0, 0),
            (0, 7),
            (5, 1 << 20),
            (0, u64::MAX),
            (u64::MAX - 1, u64::MAX),
        ] {
            source.will_need(offset, len);
            let mut bytes = [0; 7];
            source.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(&bytes, b"weights");
        }
        assert_eq!(source.byte_len().unwrap(), 7);
    }
}
