//! Stored bits, packed as planes (FORMAT.md, section 5.3).
//!
//! The k stored bits of a sample are cut into planes whose widths are the binary digits of k (bits over 16 in planes of
//! 16), the narrowest on top: k = 11 is planes of 1, 2 and 8 bits, k = 24 of 8 and 16. Each plane packs at a power of
//! two, so that no decoder ever shifts across bytes, and the low planes are whole bytes of the element.

#[cfg(target_arch = "x86_64")]
mod avx2;
pub(crate) mod stream;

use crate::entropy::simd::Isa;
use crate::format::CHUNK_ALIGN;
use crate::samples::Sample;

/// One plane of the stored bits: `width` bits at `shift` of each sample's stored bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plane {
    pub(crate) width: u32,
    pub(crate) shift: u32,
}

/// Most planes of a sample: of 1, 2, 4 and 8 bits, and three of 16.
pub(crate) const MAX_PLANES: usize = 7;

/// The planes of `stored_bits` bits (at most 63), most significant first.
pub(crate) fn planes(stored_bits: u8) -> impl Iterator<Item = Plane> + Clone {
    let stored_bits = u32::from(stored_bits);
    let narrow = [1, 2, 4, 8]
        .into_iter()
        .filter(move |width| stored_bits & width != 0);
    let wide = (0..stored_bits / 16).map(|_| 16);
    let mut shift = stored_bits;
    narrow.chain(wide).map(move |width| {
        shift -= width;
        Plane { width, shift }
    })
}

impl Plane {
    /// Length of this plane for `num_samples` samples of one chunk, padding included.
    pub(crate) fn padded_bytes(self, num_samples: usize) -> usize {
        self.bytes(num_samples).next_multiple_of(CHUNK_ALIGN)
    }

    /// Length of this plane for `num_samples` samples of one chunk, without padding.
    pub(crate) fn bytes(self, num_samples: usize) -> usize {
        // At most 65,536 samples of 16 bits.
        (num_samples * self.width as usize).div_ceil(8)
    }

    /// This plane's bits of the sample `index`; 0 beyond the end of `packed`.
    #[inline]
    pub(crate) fn at(self, index: usize, packed: &[u8]) -> u16 {
        let byte = |at: usize| u16::from(packed.get(at).copied().unwrap_or(0));
        if self.width == 16 {
            return byte(2 * index) | byte(2 * index + 1) << 8;
        }
        // At most 65,536 samples of 8 bits.
        let bit = index * self.width as usize;
        (byte(bit / 8) >> (bit % 8)) & ((1 << self.width) - 1)
    }

    /// Packs this plane of `stored`, one stored-bits value a sample, into the start of `out`. The rest of `out` stays.
    ///
    /// # Panics
    ///
    /// Never; samples beyond the end of `out` are left out.
    #[inline(always)]
    pub(crate) fn forward<S: Sample>(self, stored: &[S], out: &mut [u8]) {
        match self.width {
            8 => {
                for (byte, value) in out.iter_mut().zip(stored) {
                    *byte = value.bits_at(self.shift).to_le_bytes()[0];
                }
            }
            16 => {
                let (words, _) = out.as_chunks_mut::<2>();
                for (word, value) in words.iter_mut().zip(stored) {
                    *word = value.bits_at(self.shift).to_le_bytes();
                }
            }
            1 => self.forward_narrow::<S, 1, 8>(stored, out),
            2 => self.forward_narrow::<S, 2, 4>(stored, out),
            _ => self.forward_narrow::<S, 4, 2>(stored, out),
        }
    }

    /// [`forward`](Self::forward) of `PER_BYTE` samples of `WIDTH` bits to a byte.
    #[inline(always)]
    fn forward_narrow<S: Sample, const WIDTH: u32, const PER_BYTE: usize>(
        self,
        stored: &[S],
        out: &mut [u8],
    ) {
        let mask = (1u16 << WIDTH) - 1;
        let pack = |group: &[S]| {
            let packed = group.iter().rev().fold(0u16, |packed, value| {
                (packed << WIDTH) | (value.bits_at(self.shift) & mask)
            });
            packed.to_le_bytes()[0]
        };
        let (groups, rest) = stored.as_chunks::<PER_BYTE>();
        for (byte, group) in out.iter_mut().zip(groups) {
            *byte = pack(group);
        }
        if let (Some(byte), false) = (out.get_mut(groups.len()), rest.is_empty()) {
            *byte = pack(rest);
        }
    }

    /// Whether this plane's bits are less than a byte.
    pub(crate) fn is_narrow(self) -> bool {
        self.width < 8
    }

    /// Joins a narrow plane's bits into `out`, at `shift` of each byte. The plane's bits of the first sample begin at
    /// the start of `packed`.
    ///
    /// # Panics
    ///
    /// Never; samples beyond the end of `packed` stay as they are.
    pub(crate) fn expand(self, isa: Isa, shift: u32, packed: &[u8], out: &mut [u8]) {
        let done = match isa {
            // SAFETY: these are made only where the machine has AVX2.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "SIMD")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::expand(self.width, shift, packed, out) },
            _ => 0,
        };
        let packed = packed.get(self.offset_bytes(done)..).unwrap_or_default();
        let out = out.get_mut(done..).unwrap_or_default();
        match self.width {
            1 => expand::<1, 8>(shift, packed, out),
            2 => expand::<2, 4>(shift, packed, out),
            _ => expand::<4, 2>(shift, packed, out),
        }
    }

    /// Joins this plane's bits into `stored`. The first sample's begin at the start of `packed`.
    ///
    /// # Panics
    ///
    /// Never; samples beyond the end of `packed` stay as they are.
    #[inline(always)]
    pub(crate) fn inverse<S: Sample>(self, packed: &[u8], stored: &mut [S]) {
        match self.width {
            8 => {
                for (value, byte) in stored.iter_mut().zip(packed) {
                    *value = value.with_bits_at(u16::from(*byte), self.shift);
                }
            }
            16 => {
                let (words, _) = packed.as_chunks::<2>();
                for (value, word) in stored.iter_mut().zip(words) {
                    *value = value.with_bits_at(u16::from_le_bytes(*word), self.shift);
                }
            }
            width => {
                let per_byte = 8 / width as usize;
                let bits = |byte: u8, index: u32| (byte >> (index * width)) & ((1 << width) - 1);
                for (group, &byte) in stored.chunks_mut(per_byte).zip(packed) {
                    for (value, index) in group.iter_mut().zip(0..) {
                        *value = value.with_bits_at(bits(byte, index).into(), self.shift);
                    }
                }
            }
        }
    }

    /// The bytes of this plane's sample `index`, a multiple of 8, and of those after it.
    pub(crate) fn bytes_from(self, index: usize, bytes: &[u8]) -> &[u8] {
        bytes.get(self.offset_bytes(index)..).unwrap_or_default()
    }

    /// Offset in bytes of sample `index`, which is a multiple of 8.
    pub(crate) fn offset_bytes(self, index: usize) -> usize {
        index * self.width as usize / 8
    }
}

/// [`Plane::expand`] of `PER_BYTE` samples of `WIDTH` bits to a byte: constants, so that the loop over a byte's samples
/// vanishes.
fn expand<const WIDTH: u32, const PER_BYTE: usize>(shift: u32, packed: &[u8], out: &mut [u8]) {
    let mask = (1u8 << WIDTH) - 1;
    let (groups, rest) = out.as_chunks_mut::<PER_BYTE>();
    let last = packed.get(groups.len()).copied().unwrap_or(0);
    let join = |out: &mut [u8], byte: u8| {
        for (out, index) in out.iter_mut().zip(0..) {
            *out |= ((byte >> (index * WIDTH)) & mask) << shift;
        }
    };
    for (group, &byte) in groups.iter_mut().zip(packed) {
        join(group, byte);
    }
    join(rest, last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_cover_the_stored_bits_once() {
        let widths = |bits| planes(bits).map(|plane| plane.width).collect::<Vec<_>>();
        assert!(widths(0).is_empty());
        assert_eq!(widths(8), [8]);
        assert_eq!(widths(11), [1, 2, 8]);
        assert_eq!(widths(24), [8, 16]);
        assert_eq!(widths(53), [1, 4, 16, 16, 16]);
        for bits in 0..64u8 {
            let covered = planes(bits).fold(0u64, |seen, Plane { width, shift }| {
                let bits = ((1 << width) - 1) << shift;
                assert_eq!(seen & bits, 0);
                seen | bits
            });
            assert_eq!(covered, (1u64 << bits) - 1);
        }
    }

    #[test]
    fn known_bytes() {
        let mut out = [0u8; 2];
        Plane { width: 2, shift: 1 }.forward(&[0b110u8, 0b001, 0b010, 0b111, 0b100], &mut out);
        assert_eq!(out, [0b11_01_00_11, 0b10]);
    }

    #[test]
    fn bits_expand_into_what_stands_there() {
        for (width, shift) in [(1, 0), (1, 2), (1, 6), (2, 0), (2, 4), (4, 0), (4, 4)] {
            let plane = Plane { width, shift: 0 };
            let packed: Vec<u8> = (0..64).map(|i: u8| i.wrapping_mul(151)).collect();
            for len in 0..=packed.len() {
                let mut expected = vec![0x80; len];
                for (index, out) in expected.iter_mut().enumerate() {
                    let bit = index * width as usize;
                    let value = (packed[bit / 8] >> (bit % 8)) & ((1 << width) - 1);
                    *out |= value << shift;
                }
                for isa in Isa::available() {
                    let mut out = vec![0x80; len];
                    plane.expand(isa, shift, &packed, &mut out);
                    assert_eq!(
                        out, expected,
                        "{isa:?}, width {width}, shift {shift}, {len} samples"
                    );
                }
            }
        }
    }

    #[test]
    fn inverse_undoes_forward_at_every_length() {
        for bits in 0..64u8 {
            for len in [1usize, 7, 8, 31, 32, 33, 100] {
                let mask = (1u64 << bits) - 1;
                let stored: Vec<u64> = (1..=len as u64)
                    .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask)
                    .collect();
                let mut back = vec![0u64; len];
                for plane in planes(bits) {
                    let mut packed = vec![0u8; plane.padded_bytes(len)];
                    plane.forward(&stored, &mut packed);
                    plane.inverse(&packed, &mut back);
                }
                assert_eq!(back, stored, "{bits} bits, {len} samples");
            }
        }
    }
}
