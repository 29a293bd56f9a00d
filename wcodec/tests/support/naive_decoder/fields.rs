//! Section 1: numbers, strings, variable-length integers and bits.

use super::{Refusal, must};

/// Reads little-endian fields one after the other.
pub(super) struct Fields<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or("a field is not all there")?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self, len: usize) -> Result<u64, Refusal> {
        Ok(self
            .take(len)?
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Refusal> {
        Ok(self.number(1)? as u8)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Refusal> {
        Ok(self.number(2)? as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Refusal> {
        Ok(self.number(4)? as u32)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Refusal> {
        self.number(8)
    }

    pub(super) fn string(&mut self) -> Result<String, Refusal> {
        let len = self.u16()?;
        String::from_utf8(self.take(len.into())?.to_vec())
            .map_err(|_| "a string is not UTF-8".into())
    }

    pub(super) fn reserved(&mut self, len: usize) -> Result<(), Refusal> {
        must(
            self.take(len)?.iter().all(|&byte| byte == 0),
            "a reserved field is not zero",
        )
    }

    pub(super) fn varint(&mut self) -> Result<u16, Refusal> {
        let low = self.u8()?;
        if low < 128 {
            return Ok(low.into());
        }
        let high = self.u8()?;
        must(high != 0 && high < 128, "the second byte of a varint")?;
        Ok(u16::from(high) << 7 | u16::from(low & 127))
    }
}

/// Reads bits, the lowest of the first byte first.
pub(super) struct Bits<'a> {
    pub(super) bytes: &'a [u8],
    /// Bits taken.
    pub(super) at: usize,
}

impl Bits<'_> {
    /// The next `num` bits, the first one lowest.
    pub(super) fn take(&mut self, num: u32) -> Result<u64, Refusal> {
        let mut value = 0;
        for place in 0..num {
            let byte = self.bytes.get(self.at / 8).ok_or("bits are missing")?;
            value |= u64::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(value)
    }

    /// The bits end in the last byte, and those left in it are zero.
    pub(super) fn end(mut self) -> Result<(), Refusal> {
        must(
            self.bytes.len() == self.at.div_ceil(8),
            "the bits do not end in the last byte",
        )?;
        let left = self.bytes.len() * 8 - self.at;
        must(self.take(left as u32)? == 0, "bits left over are not zero")
    }
}
