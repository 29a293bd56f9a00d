//! Narrow planes to bytes with AVX2: 32 samples at a time.

use crate::entropy::simd::avx2::{load, store};
use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_cmpeq_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_shuffle_epi8, _mm256_sll_epi16, _mm256_srli_epi16,
};

/// Samples of one vector.
const GROUP: usize = 32;

/// [`Plane::expand`](super::Plane::expand) for as many whole groups of 32 samples as there are; returns how many
/// samples. 0 for planes of other widths than 1, 2 and 4.
#[target_feature(enable = "avx2")]
pub(super) fn expand(width: u32, shift: u32, packed: &[u8], out: &mut [u8]) -> usize {
    let (groups, _) = out.as_chunks_mut::<GROUP>();
    match width {
        1 => {
            let of_byte = vector(|i| i / 8);
            let bit = vector(|i| 1 << (i % 8));
            let value = _mm256_set1_epi8(1i8 << shift);
            let each = packed.as_chunks::<4>().0.iter().zip(groups);
            each.map(|(packed, out)| {
                let bytes = _mm256_set1_epi32(i32::from_le_bytes(*packed));
                let bytes = _mm256_shuffle_epi8(bytes, of_byte);
                join(out, if_set(bytes, bit, value));
            })
            .count()
                * GROUP
        }
        2 => {
            let of_byte = vector(|i| i / 4);
            let bits = [1, 2].map(|bit| {
                (
                    vector(|i| bit << (2 * (i % 4))),
                    _mm256_set1_epi8(1i8 << (bit / 2) << shift),
                )
            });
            let [(low, low_value), (high, high_value)] = bits;
            let each = packed.as_chunks::<8>().0.iter().zip(groups);
            each.map(|(packed, out)| {
                let bytes = _mm256_set1_epi64x(i64::from_le_bytes(*packed));
                let bytes = _mm256_shuffle_epi8(bytes, of_byte);
                join(
                    out,
                    _mm256_or_si256(
                        if_set(bytes, low, low_value),
                        if_set(bytes, high, high_value),
                    ),
                );
            })
            .count()
                * GROUP
        }
        4 => {
            let of_byte = vector(|i| i / 2);
            let [even, odd] = [0, 1].map(|rest| vector(|i| if i % 2 == rest { 15 } else { 0 }));
            let count = _mm_cvtsi32_si128(shift.cast_signed());
            let each = packed.as_chunks::<16>().0.iter().zip(groups);
            each.map(|(packed, out)| {
                let bytes = _mm256_shuffle_epi8(load_twice(packed), of_byte);
                let nibbles = _mm256_or_si256(
                    _mm256_and_si256(bytes, even),
                    _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), odd),
                );
                join(out, _mm256_sll_epi16(nibbles, count));
            })
            .count()
                * GROUP
        }
        _ => 0,
    }
}

/// `value` in every byte that has `bit` set.
#[inline]
#[target_feature(enable = "avx2")]
fn if_set(bytes: __m256i, bit: __m256i, value: __m256i) -> __m256i {
    _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit), value)
}

/// Bytes by their place.
#[inline]
#[target_feature(enable = "avx2")]
fn vector(byte: impl Fn(u8) -> u8) -> __m256i {
    let mut bytes = [0; GROUP];
    bytes.iter_mut().zip(0..).for_each(|(to, i)| *to = byte(i));
    load(&bytes)
}

/// 16 bytes, in both halves.
#[inline]
#[target_feature(enable = "avx2")]
fn load_twice(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: the array has the 16 bytes that are read; the load needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// Joins bits into `out`.
#[inline]
#[target_feature(enable = "avx2")]
fn join(out: &mut [u8; GROUP], bits: __m256i) {
    store(out, _mm256_or_si256(load(out), bits));
}
