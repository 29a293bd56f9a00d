//! Runs of the file's bytes, read and checked.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::container::ReadAt;
use crate::container::index::Region;
use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum;
use std::borrow::Cow;

/// The bytes of a region, where they lie or read.
pub(super) fn read_region<'a>(
    source: &'a dyn ReadAt,
    what: &'static str,
    region: Region,
) -> Result<Cow<'a, [u8]>> {
    let Region { offset, len } = region;
    let too_long = || {
        Error::from(ErrorKind::LimitExceeded {
            what,
            value: len,
            limit: usize::MAX as u64,
        })
    };
    let len_in_memory = usize::try_from(len).map_err(|_| too_long())?;
    if let Some(bytes) = source.as_bytes() {
        let start = usize::try_from(offset).ok();
        let found = start.and_then(|start| bytes.get(start..start.checked_add(len_in_memory)?));
        let available = (bytes.len() as u64).saturating_sub(offset);
        return found.map(Cow::Borrowed).ok_or(
            ErrorKind::Truncated {
                what,
                needed: len,
                available,
            }
            .into(),
        );
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len_in_memory)
        .map_err(|_| too_long())?;
    bytes.resize(len_in_memory, 0);
    read_into(source, what, &mut bytes, offset)?;
    Ok(Cow::Owned(bytes))
}

/// Fills `bytes` from `offset`. A file that ends too early was cut after it was opened.
pub(super) fn read_into(
    source: &dyn ReadAt,
    what: &'static str,
    bytes: &mut [u8],
    offset: u64,
) -> Result<()> {
    source.read_exact_at(bytes, offset).map_err(|error| {
        if error.kind() != std::io::ErrorKind::UnexpectedEof {
            return error.into();
        }
        let available = source.byte_len().unwrap_or(0).saturating_sub(offset);
        Error::from(ErrorKind::Truncated {
            what,
            needed: bytes.len() as u64,
            available,
        })
    })
}

pub(super) fn read_checked<'a>(
    source: &'a dyn ReadAt,
    what: &'static str,
    region: Region,
    stored: u32,
) -> Result<Cow<'a, [u8]>> {
    let bytes = read_region(source, what, region)?;
    let computed = checksum(&bytes);
    if stored != computed {
        return Err(Error::from(ErrorKind::ChecksumMismatch {
            what,
            stored,
            computed,
        })
        .at_byte(region.offset));
    }
    Ok(bytes)
}
