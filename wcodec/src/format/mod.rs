//! Every number of the format, checked little-endian fields, and the checksum (FORMAT.md, sections 1 and 2).

mod consts;
pub(crate) mod fields;

pub use consts::*;

/// CRC32C (Castagnoli polynomial, RFC 3720 appendix B.4) of `bytes`.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// CRC32C of what `crc` covers followed by `bytes`.
pub(crate) fn checksum_append(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_crc32c() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283); // the check value of the Castagnoli CRC
        assert_eq!(checksum_append(checksum(b"1234"), b"56789"), 0xe306_9283);
    }
}
