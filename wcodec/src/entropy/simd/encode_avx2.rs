//! rANS encoding with AVX2: 32 lanes in four vectors, the twin of the scalar loop in `rans::encode`.
//!
//! The division by a frequency is a product of floats that is exact or one too small, and the remainder, which is then
//! too large by the frequency, finds a slot of its own with the one added: no correction is computed. The small tables
//! of float exponents are byte shuffles as in the decoder, others are gathered.

use super::avx2::load;
use crate::entropy::rans::encode::{EncodeSymbol, SymbolTable};
use crate::format::{ALIAS_SMALL_LOG2, RANS_LANES, RANS_SCALE_BITS, RANS_WORD_BITS};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_shuffle_epi8, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_adds_epu8, _mm256_and_si256, _mm256_blend_epi16, _mm256_blend_epi32, _mm256_blendv_epi8,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cmpgt_epi32,
    _mm256_cvtepi32_ps, _mm256_cvttps_epi32, _mm256_extracti128_si256, _mm256_i32gather_epi32,
    _mm256_loadu2_m128i, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_mul_ps, _mm256_mullo_epi32,
    _mm256_or_si256, _mm256_packs_epi16, _mm256_packs_epi32, _mm256_set1_epi8, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_storeu_si256, _mm256_storeu2_m128i, _mm256_sub_epi8, _mm256_sub_epi32,
    _mm256_unpackhi_epi8, _mm256_unpackhi_epi16, _mm256_unpacklo_epi8, _mm256_unpacklo_epi16,
};

const LANES: usize = RANS_LANES as usize;
const SCALE_BITS: i32 = RANS_SCALE_BITS as i32;
const WORD_BITS: i32 = RANS_WORD_BITS as i32;
/// The last entry of a shuffle table, and how many there are.
const LAST_ENTRY: u8 = (1 << ALIAS_SMALL_LOG2) - 1;
const ENTRIES: usize = LAST_ENTRY as usize + 1;
/// Slots by symbol and remainder, each symbol's twice.
const NUM_SLOTS: usize = 2 << RANS_SCALE_BITS;
/// The table of them: looking one up reads the next one too.
type Slots = [u16; NUM_SLOTS + 1];
const SLOT_MASK: i32 = (2 << RANS_SCALE_BITS) - 1;

/// Four vectors for 32 lanes. Of each vector the lower half holds four of lanes 0 to 15 and the upper half the same of
/// lanes 16 to 31, which is the order in which unpacking leaves them.
type Lanes = [__m256i; 4];

/// What a symbol's lanes need.
struct Looked {
    freqs: Lanes,
    /// Where the symbols' slots begin in [`VectorTable::slots`].
    firsts: Lanes,
    /// [`reciprocal`]s.
    reciprocals: Lanes,
}

/// A table prepared for AVX2.
#[derive(Debug)]
pub(crate) struct VectorTable {
    /// By value: reciprocal, and frequency with `first` above it. As many as a power of two.
    entries: Vec<[u32; 2]>,
    /// By `first` and remainder: the slot, and for remainders of a frequency or more the slot of the true remainder
    /// with one quotient unit added.
    slots: Box<Slots>,
    shuffles: Option<ShuffleTable>,
}

/// The entries of at most 32 values as byte shuffles.
#[derive(Debug)]
struct ShuffleTable {
    /// The value of entry 0; values beyond the last entry have that of the last, the escape.
    base: u8,
    /// The entry of value 0.
    zero: u8,
    /// The two bytes of the frequency, of `first`, and the four of the reciprocal.
    bytes: [[[u8; 32]; 2]; 8],
}

/// 2 / freq, rounded down by a little more than what converting and multiplying may round up.
///
/// For x < freq * 2^20, the product of x / 2 (rounded down, then to a float) and this, truncated, is floor(x / freq) or
/// one less. Above: with a unit roundoff of u = 2^-24, (1 + u)^2 * (1 - 4u + u) < 1. Below, for freq >= 2: the odd bit
/// takes 1 / freq, and the roundings at most 2^20 * 7u < 1 / 2. For freq = 1, x < 2^20 and all is exact but the odd
/// bit.
fn reciprocal(freq: u32) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounds to 24 bits")]
    match freq {
        0 => 0.0,
        1 => 2.0,
        _ => (2.0 * (1.0 - 1.0 / f64::from(1 << 22)) / f64::from(freq)) as f32,
    }
}

impl VectorTable {
    /// Prepares a table of symbols for the shuffles, if they allow it, and for gathering.
    pub(crate) fn new(table: &SymbolTable) -> Self {
        let entry = |symbol: &EncodeSymbol| {
            let bits = reciprocal(symbol.freq).to_bits();
            [bits, symbol.freq | (2 * symbol.first) << 16]
        };
        let mut slots = Box::new([0; NUM_SLOTS + 1]);
        for symbol in table.by_value.iter().chain(&table.escape) {
            let (first, freq) = (symbol.first as usize, symbol.freq as usize);
            let (once, again) = slots[2 * first..][..2 * freq].split_at_mut(freq);
            for ((once, again), &slot) in once.iter_mut().zip(again).zip(&table.slots[first..]) {
                *once = slot;
                *again = slot + (1 << RANS_SCALE_BITS);
            }
        }
        let entries: Vec<[u32; 2]> = table.by_value.iter().map(entry).collect();
        let escape = table.escape.as_ref().map(entry);
        Self {
            shuffles: ShuffleTable::new(&entries, &table.is_direct, escape),
            entries,
            slots,
        }
    }
}

impl ShuffleTable {
    /// `None` if the values with an entry of their own, but for 0, do not lie within a window of the table's length.
    fn new(entries: &[[u32; 2]], is_direct: &[bool], escape: Option<[u32; 2]>) -> Option<Self> {
        if entries.len() > 256 {
            return None;
        }
        let mut direct = (1..entries.len()).filter(|&value| is_direct[value]);
        let first = direct.next().unwrap_or(0);
        let last = direct.next_back().unwrap_or(first);
        // Where the window does not begin at 0, that value has an entry of its own.
        let has_zero = is_direct[0] && first > 1;
        let base = if is_direct[0] && !has_zero { 0 } else { first };
        let window = ENTRIES - usize::from(escape.is_some()) - usize::from(has_zero);
        if last - base >= window {
            return None;
        }
        let zero = match (base, has_zero) {
            (0, _) => 0,
            (_, true) => window,
            (_, false) => ENTRIES - 1,
        };
        let mut table = Self {
            base: u8::try_from(base).ok()?,
            zero: u8::try_from(zero).ok()?,
            bytes: [[[0; 32]; 2]; 8],
        };
        for index in 0..ENTRIES {
            let own = if index < window {
                entries.get(base + index).copied()
            } else {
                (has_zero && index == window).then_some(entries[0])
            };
            let [reciprocal, rest] = own.or(escape).unwrap_or_default();
            let bytes = [rest, reciprocal].map(u32::to_le_bytes);
            for (table, &byte) in table.bytes.iter_mut().zip(bytes.as_flattened()) {
                let half = &mut table[index / 16];
                half[index % 16] = byte;
                half[16 + index % 16] = byte;
            }
        }
        Some(table)
    }
}

/// The states of [`Lanes`]' vector `index`, from lane order.
#[inline]
#[target_feature(enable = "avx2")]
fn load_states(states: &[u32; LANES], index: usize) -> __m256i {
    let (low, high) = (&states[4 * index..][..4], &states[16 + 4 * index..][..4]);
    // SAFETY: each slice has the 16 bytes that are read; the loads need no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_loadu2_m128i(high.as_ptr().cast(), low.as_ptr().cast())
    }
}

/// Inverse of [`load_states`].
#[inline]
#[target_feature(enable = "avx2")]
fn store_states(states: &mut [u32; LANES], index: usize, vector: __m256i) {
    let (low, high) = states.split_at_mut(LANES / 2);
    let (low, high) = (&mut low[4 * index..][..4], &mut high[4 * index..][..4]);
    // SAFETY: each slice has the 16 bytes that are written; the stores need no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_storeu2_m128i(high.as_mut_ptr().cast(), low.as_mut_ptr().cast(), vector);
    }
}

/// 16-bit numbers of 8 bits from `low` and 8 from `high`, within each half of the vectors: the first eight of it, then
/// the last eight.
#[inline]
#[target_feature(enable = "avx2")]
fn interleave_bytes(low: __m256i, high: __m256i) -> [__m256i; 2] {
    [
        _mm256_unpacklo_epi8(low, high),
        _mm256_unpackhi_epi8(low, high),
    ]
}

/// 32-bit numbers of 16 bits from `low` and 16 from `high`.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(low: [__m256i; 2], high: [__m256i; 2]) -> Lanes {
    [
        _mm256_unpacklo_epi16(low[0], high[0]),
        _mm256_unpackhi_epi16(low[0], high[0]),
        _mm256_unpacklo_epi16(low[1], high[1]),
        _mm256_unpackhi_epi16(low[1], high[1]),
    ]
}

/// A table that looks up 32 symbols at once.
#[expect(unsafe_code, reason = "SIMD")]
trait Lookup<Y> {
    /// # Safety
    ///
    /// The machine has AVX2.
    unsafe fn look_up(&self, symbols: &[Y; LANES]) -> Looked;
}

impl Lookup<u8> for ShuffleTable {
    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, symbols: &[u8; LANES]) -> Looked {
        // SAFETY: the caller promises AVX2.
        unsafe { shuffle(self, symbols) }
    }
}

impl Lookup<u8> for [[u32; 2]] {
    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, symbols: &[u8; LANES]) -> Looked {
        // SAFETY: the caller promises AVX2.
        unsafe {
            let zero = _mm256_setzero_si256();
            gather(self, interleave_bytes(load(symbols), zero))
        }
    }
}

impl Lookup<u16> for [[u32; 2]] {
    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, symbols: &[u16; LANES]) -> Looked {
        let at = symbols.as_ptr();
        // SAFETY: the caller promises AVX2; the reads are of 8 symbols each at 0, 8, 16 and 24.
        unsafe {
            let half = |first| _mm256_loadu2_m128i(at.add(first + 16).cast(), at.add(first).cast());
            gather(self, [half(0), half(8)])
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn shuffle(table: &ShuffleTable, symbols: &[u8; LANES]) -> Looked {
    let (values, none) = (load(symbols), _mm256_setzero_si256());
    let from_base = _mm256_sub_epi8(values, _mm256_set1_epi8(table.base.cast_signed()));
    let clamped = _mm256_min_epu8(from_base, _mm256_set1_epi8(LAST_ENTRY.cast_signed()));
    let is_zero = _mm256_cmpeq_epi8(values, none);
    let entry = _mm256_blendv_epi8(clamped, _mm256_set1_epi8(table.zero.cast_signed()), is_zero);
    // A shuffle gives 0 where an index has its top bit set: above 15 for the low table, below 16 for the high one.
    let low = _mm256_adds_epu8(entry, _mm256_set1_epi8(0x70));
    let high = _mm256_sub_epi8(entry, _mm256_set1_epi8(16));
    let [f0, f1, s0, s1, r0, r1, r2, r3] = table.bytes.each_ref().map(|[below, above]| {
        _mm256_or_si256(
            _mm256_shuffle_epi8(load(below), low),
            _mm256_shuffle_epi8(load(above), high),
        )
    });
    Looked {
        freqs: widen(interleave_bytes(f0, f1), [none; 2]),
        firsts: widen(interleave_bytes(s0, s1), [none; 2]),
        reciprocals: widen(interleave_bytes(r0, r1), interleave_bytes(r2, r3)),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn gather(entries: &[[u32; 2]], values: [__m256i; 2]) -> Looked {
    let none = _mm256_setzero_si256();
    // Fits: there are at most 2^14 values.
    let mask = _mm256_set1_epi32(i32::try_from(entries.len() - 1).unwrap_or(0));
    let at: *const i32 = entries.as_ptr().cast();
    let [pairs, reciprocals] = [1, 0].map(|word| {
        widen(values, [none; 2]).map(|value| {
            let index = _mm256_and_si256(value, mask);
            // SAFETY: the number of entries is a power of two, so a masked index is of an entry of two words.
            #[expect(unsafe_code, reason = "SIMD")]
            unsafe {
                _mm256_i32gather_epi32::<8>(at.add(word), index)
            }
        })
    });
    Looked {
        freqs: pairs.map(|pair| _mm256_blend_epi16::<0b1010_1010>(pair, none)),
        firsts: pairs.map(|pair| _mm256_srli_epi32::<16>(pair)),
        reciprocals,
    }
}

/// For each set of eight lanes that emit a word, the shuffle that brings their words to the end, in lane order. The
/// words of the first four lanes are the even ones.
static WORDS_OF_SET: [[u8; 16]; 256] = {
    let mut shuffles = [[0x80; 16]; 256];
    let mut set = 0u8;
    loop {
        let shuffle = &mut shuffles[set as usize];
        let mut at = 16 - 2 * set.count_ones() as usize;
        let mut lane = 0;
        while lane < 8 {
            if set >> lane & 1 == 1 {
                let word = if lane < 4 { 2 * lane } else { 2 * lane - 7 };
                shuffle[at] = 2 * word;
                shuffle[at + 1] = 2 * word + 1;
                at += 2;
            }
            lane += 1;
        }
        if set == 255 {
            break shuffles;
        }
        set += 1;
    }
};

/// Whole groups of symbols of either width.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Groups<'a> {
    /// Symbols of at most 8 bits.
    Narrow(&'a [[u8; LANES]]),
    /// Any symbols.
    Wide(&'a [[u16; LANES]]),
}

/// Encodes whole groups of 32 symbols, the last one first, into the end of `words`; returns how many words are left.
///
/// # Panics
///
/// If there are fewer words than symbols and one group more.
#[target_feature(enable = "avx2,popcnt")]
pub(crate) fn encode_groups(
    table: &VectorTable,
    states: &mut [u32; LANES],
    groups: Groups<'_>,
    words: &mut [u16],
) -> usize {
    let (entries, slots) = (table.entries.as_slice(), &table.slots);
    match (groups, &table.shuffles) {
        (Groups::Narrow(groups), Some(shuffles)) => {
            encode_with(shuffles, slots, states, groups, words)
        }
        (Groups::Narrow(groups), None) => encode_with(entries, slots, states, groups, words),
        (Groups::Wide(groups), _) => encode_with(entries, slots, states, groups, words),
    }
}

#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn encode_with<Y>(
    table: &(impl Lookup<Y> + ?Sized),
    slots: &Slots,
    states: &mut [u32; LANES],
    groups: &[[Y; LANES]],
    words: &mut [u16],
) -> usize {
    let mut x = [0, 1, 2, 3].map(|index| load_states(states, index));
    let mut left = words.len();
    for symbols in groups.iter().rev() {
        // SAFETY: this function is compiled for AVX2, so whoever called it knows that it is there.
        #[expect(unsafe_code, reason = "SIMD")]
        let looked = unsafe { table.look_up(symbols) };
        let before = x;
        let mut keeps = x;
        // Not a function of its own: it would not be inlined, and the vectors would go through memory.
        for (index, (x, keep)) in x.iter_mut().zip(&mut keeps).enumerate() {
            let (freq, first) = (looked.freqs[index], looked.firsts[index]);
            // freq > state / 2^20, that is state < freq * 2^20
            *keep = _mm256_cmpgt_epi32(freq, _mm256_srli_epi32::<{ 32 - SCALE_BITS }>(*x));
            let state = _mm256_blendv_epi8(_mm256_srli_epi32::<WORD_BITS>(*x), *x, *keep);
            let half = _mm256_cvtepi32_ps(_mm256_srli_epi32::<1>(state));
            let reciprocal = _mm256_castsi256_ps(looked.reciprocals[index]);
            let quotient = _mm256_cvttps_epi32(_mm256_mul_ps(half, reciprocal));
            let at = _mm256_sub_epi32(
                _mm256_add_epi32(state, first),
                _mm256_mullo_epi32(quotient, freq),
            );
            let slot = look_up_slots(slots, at);
            *x = _mm256_add_epi32(_mm256_slli_epi32::<SCALE_BITS>(quotient), slot);
        }
        let Some(group) = words[..left].last_chunk_mut() else {
            unreachable!("a group's words more than symbols")
        };
        left -= emit(&before, &keeps, group);
    }
    for (index, x) in x.into_iter().enumerate() {
        store_states(states, index, x);
    }
    left
}

/// `slots[index]` for each lane, modulo the length: by loads and blends, which take less than a gather.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up_slots(slots: &Slots, index: __m256i) -> __m256i {
    let index = _mm256_and_si256(index, _mm256_set1_epi32(SLOT_MASK));
    let mut indices = [0u32; 8];
    // SAFETY: the array has the 32 bytes that are written; the store needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_storeu_si256(indices.as_mut_ptr().cast(), index);
    }
    let at = slots.as_ptr();
    let [a, b, c, d, e, f, g, h] = indices.map(|index| {
        // SAFETY: each index was masked to be less than the number of slots, so there is one entry more after it; the
        // read needs no alignment.
        #[expect(unsafe_code, reason = "SIMD")]
        let two = unsafe { at.add(index as usize).cast::<i32>().read_unaligned() };
        _mm256_set1_epi32(two)
    });
    let low = _mm256_blend_epi32::<0b0000_1100>(
        _mm256_blend_epi32::<0b0000_0010>(a, b),
        _mm256_blend_epi32::<0b0000_1000>(c, d),
    );
    let high = _mm256_blend_epi32::<0b1100_0000>(
        _mm256_blend_epi32::<0b0010_0000>(e, f),
        _mm256_blend_epi32::<0b1000_0000>(g, h),
    );
    let twos = _mm256_blend_epi32::<0b1111_0000>(low, high);
    _mm256_blend_epi16::<0b1010_1010>(twos, _mm256_setzero_si256())
}

/// Writes the low words of the states that `keep` does not hold back to the end of `words`, in lane order; says how
/// many.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn emit(x: &Lanes, keep: &Lanes, words: &mut [u16; LANES]) -> usize {
    let kept = _mm256_packs_epi16(
        _mm256_packs_epi32(keep[0], keep[1]),
        _mm256_packs_epi32(keep[2], keep[3]),
    );
    let sets = !_mm256_movemask_epi8(kept).cast_unsigned();
    // The words of lanes 0 to 7 and 16 to 23, then of lanes 8 to 15 and 24 to 31.
    let [even, odd] = [0, 2].map(|index| {
        let upper = _mm256_slli_epi32::<WORD_BITS>(x[index + 1]);
        _mm256_blend_epi16::<0b1010_1010>(x[index], upper)
    });
    let [low, middle, high, top] = [0, 8, 16, 24].map(|lane| (sets >> lane & 255) as usize);
    // Written out, so that the vectors stay in registers.
    let mut emitted = 0;
    let mut store = |eight: __m128i, set: usize| {
        // SAFETY: at most three sets of eight lanes were emitted before.
        #[expect(unsafe_code, reason = "SIMD")]
        unsafe {
            store_words(words, emitted, shuffle_words(eight, set));
        }
        emitted += set.count_ones() as usize;
    };
    store(_mm256_extracti128_si256::<1>(odd), top);
    store(_mm256_extracti128_si256::<1>(even), high);
    store(_mm256_castsi256_si128(odd), middle);
    store(_mm256_castsi256_si128(even), low);
    emitted
}

#[inline]
#[target_feature(enable = "avx2")]
fn shuffle_words(eight: __m128i, set: usize) -> __m128i {
    // SAFETY: the array has the 16 bytes that are read; the load needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    let order = unsafe { _mm_loadu_si128(WORDS_OF_SET[set].as_ptr().cast()) };
    _mm_shuffle_epi8(eight, order)
}

/// Writes eight words that end `from_end` words before the end.
///
/// # Safety
///
/// `from_end` is at most 24.
#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "SIMD")]
unsafe fn store_words(words: &mut [u16; LANES], from_end: usize, eight: __m128i) {
    debug_assert!(from_end <= 24);
    // SAFETY: as promised: eight words before that are in the array.
    unsafe {
        _mm_storeu_si128(words.as_mut_ptr().add(24 - from_end).cast(), eight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in [`encode_with`].
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "truncates, as the vector conversion does; never negative"
    )]
    fn quotient(state: u32, freq: u32) -> u32 {
        ((state >> 1) as f32 * reciprocal(freq)) as u32
    }

    #[test]
    fn quotients_are_exact_or_one_too_small() {
        for freq in 1..=1u32 << RANS_SCALE_BITS {
            let top = u32::try_from((u64::from(freq) << 20) - 1).unwrap();
            let multiples = (0..=20)
                .flat_map(|log2| [1u32 << log2, (1 << log2) + (1 << log2) / 3])
                .map(|factor| freq.saturating_mul(factor).min(top));
            for near in multiples.chain([top, top - top % freq]) {
                for state in near.saturating_sub(2)..=near.saturating_add(2).min(top) {
                    let (exact, found) = (state / freq, quotient(state, freq));
                    assert!(found == exact || found + 1 == exact, "{state} / {freq}");
                }
            }
        }
    }
}
