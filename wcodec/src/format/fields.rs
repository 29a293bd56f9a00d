//! Checked little-endian fields.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::error::ErrorKind;

/// A cursor over bytes from outside. Every read names what it reads.
#[derive(Debug, Clone)]
pub(crate) struct ByteReader<'a> {
    rest: &'a [u8],
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `len` bytes.
    ///
    /// # Errors
    ///
    /// `Truncated` if they are not all there.
    pub(crate) fn take(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], ErrorKind> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(ErrorKind::Truncated {
                what,
                needed: len as u64,
                available: self.rest.len() as u64,
            })?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ErrorKind> {
        let bytes = self.take(what, N)?;
        // `take` returned exactly N bytes.
        bytes.try_into().map_err(|_| ErrorKind::Truncated {
            what,
            needed: N as u64,
            available: 0,
        })
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, ErrorKind> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, ErrorKind> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, ErrorKind> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, ErrorKind> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn bytes<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], ErrorKind> {
        self.array(what)
    }

    /// A string: its length as `u16`, then UTF-8.
    ///
    /// # Errors
    ///
    /// `Truncated`; `Malformed` (rule 1.2) if it is not UTF-8.
    pub(crate) fn string(&mut self, what: &'static str) -> Result<&'a str, ErrorKind> {
        let len = self.u16(what)?;
        let text = std::str::from_utf8(self.take(what, usize::from(len))?)
            .map_err(|_| ErrorKind::Malformed { what, rule: "1.2" })?;
        Ok(text)
    }

    /// A variable-length integer below 2^14: seven bits a byte, least significant first, the top bit set on all but the
    /// last.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 1.2) if it takes more than two bytes or a byte more than it needs.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u16, ErrorKind> {
        let first = u16::from(self.u8(what)?);
        if first < 0x80 {
            return Ok(first);
        }
        match u16::from(self.u8(what)?) {
            second @ 1..0x80 => Ok((first & 0x7f) | (second << 7)),
            _ => Err(ErrorKind::Malformed { what, rule: "1.2" }),
        }
    }

    /// Skips a reserved field of `len` bytes.
    ///
    /// # Errors
    ///
    /// `UnsupportedFeature` if a byte of it is not zero.
    pub(crate) fn reserved(&mut self, what: &'static str, len: usize) -> Result<(), ErrorKind> {
        match self.take(what, len)?.iter().find(|&&byte| byte != 0) {
            None => Ok(()),
            Some(&byte) => Err(ErrorKind::UnsupportedFeature {
                what,
                id: u32::from(byte),
            }),
        }
    }
}

/// Writes a variable-length integer below 2^14 (see [`ByteReader::varint`]).
pub(crate) fn write_varint(out: &mut Vec<u8>, value: u16) {
    debug_assert!(value < 1 << 14);
    let [low, high] = [value & 0x7f, value >> 7].map(|bits| bits.to_le_bytes()[0]);
    if high == 0 {
        out.push(low);
    } else {
        out.extend([low | 0x80, high]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_round_trips_and_has_one_form() {
        for value in 0..1 << 14 {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            let mut reader = ByteReader::new(&out);
            assert_eq!(reader.varint("v").unwrap(), value);
            assert!(reader.rest().is_empty());
        }
        for bad in [&[0x80u8, 0][..], &[0x80], &[0xff, 0x80], &[]] {
            assert!(
                ByteReader::new(bad).varint("v").is_err(),
                "{bad:?} accepted"
            );
        }
    }

    #[test]
    fn reading_past_the_end_says_what_is_missing() {
        let error = ByteReader::new(&[1, 2]).u32("num_tensors").unwrap_err();
        assert_eq!(
            error.to_string(),
            "truncated: num_tensors needs 4 bytes, 2 are there"
        );
    }

    #[test]
    fn reserved_bytes_must_be_zero() {
        assert!(ByteReader::new(&[0, 0]).reserved("r", 2).is_ok());
        assert!(ByteReader::new(&[0, 1]).reserved("r", 2).is_err());
    }
}
