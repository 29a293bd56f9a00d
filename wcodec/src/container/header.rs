//! The first and the last bytes of a file (FORMAT.md 2.1 and 2.2).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::error::ErrorKind;
use crate::format::fields::ByteReader;
use crate::format::{END_MAGIC, FOOTER_BYTES, FORMAT_VERSION, HEADER_BYTES, MAGIC, checksum};

/// Bytes that the header's checksum covers: all before it.
const CHECKED_BYTES: usize = HEADER_BYTES - size_of::<u32>();

/// Where the index lies, and how long the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) index_offset: u64,
    pub(super) index_bytes: u64,
    pub(super) index_crc: u32,
    pub(super) file_bytes: u64,
}

impl Header {
    /// Reads and checks a header.
    ///
    /// # Errors
    ///
    /// `BadMagic`, `UnsupportedVersion`, `UnsupportedFeature`, `Truncated`, `ChecksumMismatch`, `Malformed` (rule 2.1).
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ErrorKind> {
        let mut src = ByteReader::new(bytes);
        let found: [u8; 8] = src.bytes("magic")?;
        if found != MAGIC {
            return Err(ErrorKind::BadMagic { found });
        }
        let version = src.u16("version")?;
        if version > FORMAT_VERSION {
            return Err(ErrorKind::UnsupportedVersion {
                found: version,
                newest: FORMAT_VERSION,
            });
        }
        let (checked, mut crc_src) = bytes.split_at_checked(CHECKED_BYTES).map_or(
            Err(ErrorKind::Truncated {
                what: "header",
                needed: HEADER_BYTES as u64,
                available: bytes.len() as u64,
            }),
            |(checked, crc)| Ok((checked, ByteReader::new(crc))),
        )?;
        let (stored, computed) = (crc_src.u32("header checksum")?, checksum(checked));
        if stored != computed {
            return Err(ErrorKind::ChecksumMismatch {
                what: "header",
                stored,
                computed,
            });
        }
        let malformed = |what| Err(ErrorKind::Malformed { what, rule: "2.1" });
        if version != FORMAT_VERSION {
            return malformed("version");
        }
        if usize::from(src.u16("header length")?) != HEADER_BYTES {
            return malformed("header length");
        }
        let content = src.u32("content flags")?;
        if content != 0 {
            return Err(ErrorKind::UnsupportedFeature {
                what: "content flags",
                id: content,
            });
        }
        let (index_offset, index_bytes) = (src.u64("index offset")?, src.u64("index length")?);
        let index_crc = src.u32("index checksum")?;
        src.reserved("reserved field of the header", 4)?;
        let file_bytes = src.u64("file length")?;
        src.reserved("reference digest", 32)?;
        src.reserved("reserved field of the header", 44)?;
        let end = index_offset
            .checked_add(index_bytes)
            .and_then(|end| end.checked_add(FOOTER_BYTES as u64));
        if index_offset < HEADER_BYTES as u64 || end != Some(file_bytes) {
            return malformed("place of the index");
        }
        Ok(Self {
            index_offset,
            index_bytes,
            index_crc,
            file_bytes,
        })
    }

    /// The header's bytes.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(FORMAT_VERSION.to_le_bytes());
        out.extend(
            u16::try_from(HEADER_BYTES)
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        out.extend([0; 4]);
        out.extend(self.index_offset.to_le_bytes());
        out.extend(self.index_bytes.to_le_bytes());
        out.extend(self.index_crc.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.file_bytes.to_le_bytes());
        out.resize(CHECKED_BYTES, 0);
        let crc = checksum(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    /// The footer's bytes: the file's length and the header's checksum again.
    pub(super) fn footer(self) -> Vec<u8> {
        let header = self.to_bytes();
        let crc = header.get(CHECKED_BYTES..).unwrap_or_default();
        [&self.file_bytes.to_le_bytes()[..], crc, &END_MAGIC].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        index_offset: 192,
        index_bytes: 100,
        index_crc: 7,
        file_bytes: 308,
    };

    fn with(at: usize, bytes: &[u8]) -> Result<Header, ErrorKind> {
        let mut header = HEADER.to_bytes();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        let crc = checksum(&header[..CHECKED_BYTES]);
        header[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
        Header::read(&header)
    }

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(HEADER.to_bytes().len(), HEADER_BYTES);
        assert_eq!(HEADER.footer().len(), FOOTER_BYTES);
        assert_eq!(Header::read(&HEADER.to_bytes()).unwrap(), HEADER);
    }

    #[test]
    fn each_field_is_checked() {
        assert!(matches!(with(0, b"PK"), Err(ErrorKind::BadMagic { .. })));
        assert!(matches!(
            with(8, &[FORMAT_VERSION.to_le_bytes()[0] + 1, 0]),
            Err(ErrorKind::UnsupportedVersion {
                newest: FORMAT_VERSION,
                ..
            })
        ));
        assert!(matches!(
            with(8, &[0, 0]),
            Err(ErrorKind::Malformed {
                what: "version",
                ..
            })
        ));
        assert!(matches!(
            with(10, &[127]),
            Err(ErrorKind::Malformed {
                what: "header length",
                ..
            })
        ));
        assert!(matches!(
            with(12, &[1]),
            Err(ErrorKind::UnsupportedFeature {
                what: "content flags",
                id: 1
            })
        ));
        assert!(matches!(
            with(16, &[193]),
            Err(ErrorKind::Malformed {
                what: "place of the index",
                ..
            })
        ));
        assert!(matches!(
            with(24, &[255; 8]),
            Err(ErrorKind::Malformed {
                what: "place of the index",
                ..
            })
        ));
        assert!(matches!(
            with(36, &[1]),
            Err(ErrorKind::UnsupportedFeature { .. })
        ));
        assert!(matches!(
            with(50, &[1]),
            Err(ErrorKind::UnsupportedFeature {
                what: "reference digest",
                ..
            })
        ));
        assert!(matches!(
            with(100, &[1]),
            Err(ErrorKind::UnsupportedFeature { .. })
        ));
        assert!(matches!(
            Header::read(&HEADER.to_bytes()[..127]),
            Err(ErrorKind::Truncated { .. })
        ));
    }
}
