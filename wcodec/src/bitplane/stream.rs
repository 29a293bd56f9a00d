//! Bit strings of any lengths, one after another (FORMAT.md, section 4.4): the first bit is the lowest of the first
//! byte.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

/// Appends bit strings.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits not in `bytes` yet, fewer than 32.
    pending: u64,
    num_pending: u32,
    num_bits: u64,
    only_counts: bool,
}

impl BitWriter {
    /// One that knows how long all would be, and keeps nothing.
    pub(crate) fn counting() -> Self {
        Self {
            only_counts: true,
            ..Self::default()
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.pending, self.num_pending, self.num_bits) = (0, 0, 0);
    }

    /// How many bits were appended.
    pub(crate) fn num_bits(&self) -> u64 {
        self.num_bits
    }

    /// Appends the `num_bits` (at most 64) lowest bits of `value`, which has no others.
    #[inline]
    pub(crate) fn push(&mut self, value: u64, num_bits: u32) {
        self.num_bits += u64::from(num_bits);
        if !self.only_counts {
            self.append(value, num_bits);
        }
    }

    fn append(&mut self, value: u64, num_bits: u32) {
        if num_bits > 32 {
            self.append(value & 0xffff_ffff, 32);
            self.append(value >> 32, num_bits - 32);
            return;
        }
        self.pending |= value << self.num_pending;
        self.num_pending += num_bits;
        if self.num_pending >= 32 {
            let [a, b, c, d, ..] = self.pending.to_le_bytes();
            self.bytes.extend([a, b, c, d]);
            self.pending >>= 32;
            self.num_pending -= 32;
        }
    }

    /// All of it, the last byte filled up with zeros.
    pub(crate) fn finish(&mut self) -> &[u8] {
        let pending = self.pending.to_le_bytes();
        let rest = pending.iter().take(self.num_pending.div_ceil(8) as usize);
        self.bytes.extend(rest);
        (self.pending, self.num_pending) = (0, 0);
        &self.bytes
    }
}

/// Reads bit strings. Beyond the end all bits are zero, and [`is_exhausted`](Self::is_exhausted) says so.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `num_bits` (at most 64) bits.
    #[inline]
    pub(crate) fn pull(&mut self, num_bits: u32) -> u64 {
        if num_bits > 32 {
            let low = self.pull(32);
            return low | (self.pull(num_bits - 32) << 32);
        }
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => {
                let mut bytes = [0; 8];
                bytes
                    .iter_mut()
                    .zip(rest)
                    .for_each(|(to, from)| *to = *from);
                u64::from_le_bytes(bytes)
            }
        };
        let bits = word >> (self.at % 8);
        self.at = self.at.saturating_add(num_bits as usize);
        bits & ((1 << num_bits) - 1)
    }

    /// Whether exactly all bytes were read, the bits left in the last of them being zero.
    pub(crate) fn is_exhausted(&self) -> bool {
        let mut rest = self.clone();
        self.at.div_ceil(8) == self.bytes.len() && rest.pull(7) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let strings: Vec<(u64, u32)> = (0..2000u32)
            .map(|i| {
                let num_bits = i * 7 % 65;
                let value = u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (
                    value & (u64::MAX.checked_shr(64 - num_bits).unwrap_or(0)),
                    num_bits,
                )
            })
            .collect();
        let mut writer = BitWriter::default();
        writer.push(1, 1);
        writer.clear();
        strings
            .iter()
            .for_each(|&(value, bits)| writer.push(value, bits));
        let bytes = writer.finish().to_vec();
        let mut reader = BitReader::new(&bytes);
        for &(value, bits) in &strings {
            assert!(!reader.is_exhausted() || bits == 0);
            assert_eq!(reader.pull(bits), value);
        }
        assert!(reader.is_exhausted());
        assert!(!BitReader::new(&bytes[1..]).is_exhausted());
        assert_eq!(reader.pull(64), 0);
        assert!(!reader.is_exhausted());
    }

    #[test]
    fn a_last_byte_with_bits_set_is_noticed() {
        let mut reader = BitReader::new(&[0b0000_0101]);
        assert_eq!(reader.pull(2), 1);
        assert!(!reader.is_exhausted());
        assert_eq!(reader.pull(1), 1);
        assert!(reader.is_exhausted());
    }
}
