//! rANS decoding with AVX2: 32 lanes in four vectors, the alias table in byte shuffles.
//!
//! A small table has 32 buckets, so what a slot needs (threshold, frequency, rank, value) is one byte
//! shuffle away from the bucket's number, for all 32 lanes at once and without a gather. A large table is gathered
//! from the entries that the scalar decoder uses.

use crate::entropy::rans::alias;
use crate::entropy::rans::table::Table;
use crate::entropy::simd::Work;
use crate::format::{ALIAS_SMALL_LOG2, RANS_LANES, RANS_SCALE_BITS};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_adds_epu8,
    _mm256_and_si256, _mm256_blendv_epi8, _mm256_castsi256_ps, _mm256_castsi256_si128,
    _mm256_cmpeq_epi8, _mm256_cmpeq_epi32, _mm256_cvtepu8_epi16, _mm256_cvtepu16_epi32,
    _mm256_extracti128_si256, _mm256_i32gather_epi32, _mm256_loadu_si256, _mm256_max_epu8,
    _mm256_movemask_ps, _mm256_mullo_epi32, _mm256_or_si256, _mm256_packus_epi16,
    _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_permutevar8x32_epi32, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi16, _mm256_srli_epi32,
    _mm256_storeu_si256, _mm256_sub_epi8, _mm256_unpackhi_epi8, _mm256_unpackhi_epi16,
    _mm256_unpacklo_epi8, _mm256_unpacklo_epi16,
};

const LANES: usize = RANS_LANES as usize;
const BUCKETS: usize = 1 << ALIAS_SMALL_LOG2;
const BUCKET_SLOTS_LOG2: u32 = RANS_SCALE_BITS - ALIAS_SMALL_LOG2;

/// Bytes that one group of 32 symbols may look at: a word each.
pub(crate) const GROUP_BYTES: usize = 2 * LANES;

/// One byte for each bucket, as two 16-entry shuffle tables, each in both halves of a vector.
type BucketBytes = [[u8; 32]; 2];

/// One byte for each bucket's own symbol, then for each bucket's alias.
type SymbolBytes = [BucketBytes; 2];

/// A small table as shuffles.
#[derive(Debug)]
pub(crate) struct ShuffleTable {
    threshold: BucketBytes,
    freq: [SymbolBytes; 2],
    /// What to add to a slot's place in its bucket to get its rank, modulo 2^16.
    bias: [SymbolBytes; 2],
    value: SymbolBytes,
}

impl ShuffleTable {
    /// `None` if the table is not small or has a value over 255.
    pub(crate) fn new(table: &Table) -> Option<Self> {
        if table.buckets_log2 != ALIAS_SMALL_LOG2 || table.values.last().is_some_and(|&v| v > 255) {
            return None;
        }
        let mut shuffles = Self {
            threshold: [[0; 32]; 2],
            freq: [[[[0; 32]; 2]; 2]; 2],
            bias: [[[[0; 32]; 2]; 2]; 2],
            value: [[[0; 32]; 2]; 2],
        };
        let mut placed = [0u16; BUCKETS];
        for (bucket, entry) in alias::buckets(&table.freqs, table.buckets_log2)
            .iter()
            .enumerate()
        {
            let threshold = entry.threshold;
            put(&mut shuffles.threshold, bucket, threshold.to_le_bytes()[0]);
            let owner = u8::try_from(bucket).unwrap_or(0);
            let slots = (1u16 << BUCKET_SLOTS_LOG2) - threshold;
            let shares = [(owner, 0, threshold), (entry.alias, threshold, slots)];
            for (which, (symbol, first, slots)) in shares.into_iter().enumerate() {
                let symbol = usize::from(symbol);
                let bias = placed[symbol].wrapping_sub(first);
                placed[symbol] += slots;
                let freq = table.freqs.get(symbol).copied().unwrap_or(0);
                let value = table.values.get(symbol).copied().unwrap_or(0);
                for byte in 0..2 {
                    put(
                        &mut shuffles.freq[byte][which],
                        bucket,
                        freq.to_le_bytes()[byte],
                    );
                    put(
                        &mut shuffles.bias[byte][which],
                        bucket,
                        bias.to_le_bytes()[byte],
                    );
                }
                put(&mut shuffles.value[which], bucket, value.to_le_bytes()[0]);
            }
        }
        Some(shuffles)
    }
}

fn put(bytes: &mut BucketBytes, bucket: usize, byte: u8) {
    let half = &mut bytes[bucket / 16];
    half[bucket % 16] = byte;
    half[16 + bucket % 16] = byte;
}

/// For each set of lanes that take a word, the word that each takes.
static WORD_OF_LANE: [[u32; 8]; 256] = {
    let mut orders = [[0; 8]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut lane, mut taken) = (0, 0);
        while lane < 8 {
            orders[set][lane] = taken;
            if set >> lane & 1 == 1 {
                taken += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    orders
};

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read; the load needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_loadu_si256(bytes.as_ptr().cast())
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_lanes(lanes: &[u32; 8]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read; the load needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_loadu_si256(lanes.as_ptr().cast())
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_lanes(lanes: &mut [u32; 8], vector: __m256i) {
    // SAFETY: the array has the 32 bytes that are written; the store needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_storeu_si256(lanes.as_mut_ptr().cast(), vector);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_symbols(symbols: &mut [u16; 16], vector: __m256i) {
    // SAFETY: the array has the 32 bytes that are written; the store needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_storeu_si256(symbols.as_mut_ptr().cast(), vector);
    }
}

/// Eight words at `at`, which is at most 24 words into the group.
#[inline]
#[target_feature(enable = "avx2")]
fn load_words(group: &[u8; GROUP_BYTES], at: usize) -> __m128i {
    debug_assert!(at <= 24);
    // SAFETY: `at` counts the words that at most three vectors of eight lanes took: 2 * 24 + 16 <= 64 bytes.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm_loadu_si128(group.as_ptr().add(2 * at).cast())
    }
}

/// Looks a byte up by bucket; `low` and `high` are the bucket's number for either shuffle.
#[inline]
#[target_feature(enable = "avx2")]
fn look_up(table: &BucketBytes, low: __m256i, high: __m256i) -> __m256i {
    _mm256_or_si256(
        _mm256_shuffle_epi8(load(&table[0]), low),
        _mm256_shuffle_epi8(load(&table[1]), high),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn look_up_symbol(table: &SymbolBytes, low: __m256i, high: __m256i, is_alias: __m256i) -> __m256i {
    let (own, alias) = (look_up(&table[0], low, high), look_up(&table[1], low, high));
    _mm256_blendv_epi8(own, alias, is_alias)
}

/// Runs `work` compiled for AVX2.
#[target_feature(enable = "avx2,popcnt")]
pub(crate) fn run<W: Work>(work: W) -> W::Output {
    work.run()
}

/// A table that looks up the slots of 32 lanes at once.
#[expect(unsafe_code, reason = "SIMD")]
pub(crate) trait Lookup {
    /// Frequencies, ranks and symbols' codes of the slots in `x`, frequencies and ranks a vector for each of `x`,
    /// codes as 16-bit numbers in lane order.
    ///
    /// # Safety
    ///
    /// The machine has AVX2.
    unsafe fn look_up(&self, x: &[__m256i; 4]) -> Looked;
}

/// What the slots of 32 lanes hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked {
    freqs: [__m256i; 4],
    ranks: [__m256i; 4],
    codes: [__m256i; 2],
}

/// Decodes groups of 32 symbols as long as `words` has a whole group's words ahead; returns how many groups, and what
/// is left of the words.
#[target_feature(enable = "avx2,popcnt")]
pub(crate) fn decode_groups<'a>(
    table: &impl Lookup,
    states: &mut [u32; LANES],
    mut words: &'a [u8],
    out: &mut [[u16; LANES]],
) -> (usize, &'a [u8]) {
    let (quarters, _) = states.as_chunks_mut::<8>();
    let mut x = [0, 1, 2, 3].map(|i| load_lanes(&quarters[i]));
    let mut decoded = 0;
    for out in out {
        let Some(group) = words.first_chunk::<GROUP_BYTES>() else {
            break;
        };
        // SAFETY: this function is compiled for AVX2, so whoever called it knows that it is there.
        #[expect(unsafe_code, reason = "SIMD")]
        let looked = unsafe { table.look_up(&x) };
        let taken = advance(&mut x, &looked, group);
        let (halves, _) = out.as_chunks_mut::<16>();
        for (half, codes) in halves.iter_mut().zip(looked.codes) {
            store_symbols(half, codes);
        }
        words = &words[2 * taken..];
        decoded += 1;
    }
    for (lanes, x) in quarters.iter_mut().zip(x) {
        store_lanes(lanes, x);
    }
    (decoded, words)
}

/// Moves each state on, and says how many words were taken.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn advance(x: &mut [__m256i; 4], looked: &Looked, group: &[u8; GROUP_BYTES]) -> usize {
    let zero = _mm256_setzero_si256();
    let mut taken = 0;
    for ((x, freqs), ranks) in x.iter_mut().zip(looked.freqs).zip(looked.ranks) {
        let quotient = _mm256_srli_epi32::<{ RANS_SCALE_BITS as i32 }>(*x);
        let next = _mm256_add_epi32(_mm256_mullo_epi32(freqs, quotient), ranks);
        let below = _mm256_cmpeq_epi32(_mm256_srli_epi32::<16>(next), zero);
        let set = _mm256_movemask_ps(_mm256_castsi256_ps(below)).cast_unsigned() as usize & 255;
        let words = _mm256_cvtepu16_epi32(load_words(group, taken));
        let words = _mm256_permutevar8x32_epi32(words, load_lanes(&WORD_OF_LANE[set]));
        let renormalised = _mm256_or_si256(_mm256_slli_epi32::<16>(next), words);
        *x = _mm256_blendv_epi8(next, renormalised, below);
        taken += set.count_ones() as usize;
    }
    taken
}

impl Lookup for ShuffleTable {
    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, x: &[__m256i; 4]) -> Looked {
        // SAFETY: the caller promises AVX2.
        unsafe { shuffle(self, x) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn shuffle(table: &ShuffleTable, x: &[__m256i; 4]) -> Looked {
    let zero = _mm256_setzero_si256();
    // Slots as words, then bucket and place within it as bytes. Packing works within 128-bit halves, so the
    // bytes are out of lane order; unpacking below undoes that for the states, a permutation for the values.
    let slot_mask = _mm256_set1_epi32((1 << RANS_SCALE_BITS) - 1);
    let slots = [0, 2].map(|i| {
        _mm256_packus_epi32(
            _mm256_and_si256(x[i], slot_mask),
            _mm256_and_si256(x[i + 1], slot_mask),
        )
    });
    let place_mask = _mm256_set1_epi16((1 << BUCKET_SLOTS_LOG2) - 1);
    let bucket = _mm256_packus_epi16(
        _mm256_srli_epi16::<{ BUCKET_SLOTS_LOG2 as i32 }>(slots[0]),
        _mm256_srli_epi16::<{ BUCKET_SLOTS_LOG2 as i32 }>(slots[1]),
    );
    let place = _mm256_packus_epi16(
        _mm256_and_si256(slots[0], place_mask),
        _mm256_and_si256(slots[1], place_mask),
    );
    // A shuffle gives 0 where an index has its top bit set: above 15 for the low table, below 16 for the high one.
    let low = _mm256_adds_epu8(bucket, _mm256_set1_epi8(0x70));
    let high = _mm256_sub_epi8(bucket, _mm256_set1_epi8(16));
    let threshold = look_up(&table.threshold, low, high);
    let is_alias = _mm256_cmpeq_epi8(_mm256_max_epu8(place, threshold), place);
    let [freq_low, freq_high] =
        [0, 1].map(|byte| look_up_symbol(&table.freq[byte], low, high, is_alias));
    let [bias_low, bias_high] =
        [0, 1].map(|byte| look_up_symbol(&table.bias[byte], low, high, is_alias));
    let values = look_up_symbol(&table.value, low, high, is_alias);
    let freqs = [
        _mm256_unpacklo_epi8(freq_low, freq_high),
        _mm256_unpackhi_epi8(freq_low, freq_high),
    ];
    let ranks = [
        _mm256_add_epi16(
            _mm256_unpacklo_epi8(bias_low, bias_high),
            _mm256_unpacklo_epi8(place, zero),
        ),
        _mm256_add_epi16(
            _mm256_unpackhi_epi8(bias_low, bias_high),
            _mm256_unpackhi_epi8(place, zero),
        ),
    ];
    let values = _mm256_permutevar8x32_epi32(values, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    Looked {
        freqs: widen(freqs),
        ranks: widen(ranks),
        codes: [
            _mm256_cvtepu8_epi16(_mm256_castsi256_si128(values)),
            _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(values)),
        ],
    }
}

/// A table with an entry a slot, as the scalar decoder has it: for large tables.
impl Lookup for [u32; 1 << RANS_SCALE_BITS] {
    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, x: &[__m256i; 4]) -> Looked {
        // SAFETY: the caller promises AVX2.
        unsafe { gather(self, x) }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn gather(slots: &[u32; 1 << RANS_SCALE_BITS], x: &[__m256i; 4]) -> Looked {
    let mask = _mm256_set1_epi32((1 << RANS_SCALE_BITS) - 1);
    let entries = x.map(|x| {
        let slot = _mm256_and_si256(x, mask);
        // SAFETY: every index is below 2^12, the length of the table.
        #[expect(unsafe_code, reason = "SIMD")]
        unsafe {
            _mm256_i32gather_epi32::<4>(slots.as_ptr().cast(), slot)
        }
    });
    let codes = entries.map(|entry| _mm256_srli_epi32::<{ 2 * RANS_SCALE_BITS as i32 }>(entry));
    // Packing works within 128-bit halves; the permutation brings the quarters into lane order.
    let pack = |a, b| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(a, b));
    Looked {
        freqs: entries.map(|entry| {
            let less_one = _mm256_srli_epi32::<{ RANS_SCALE_BITS as i32 }>(entry);
            _mm256_add_epi32(_mm256_and_si256(less_one, mask), _mm256_set1_epi32(1))
        }),
        ranks: entries.map(|entry| _mm256_and_si256(entry, mask)),
        codes: [pack(codes[0], codes[1]), pack(codes[2], codes[3])],
    }
}

/// 16-bit numbers in packing order to 32-bit numbers in lane order.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(halves: [__m256i; 2]) -> [__m256i; 4] {
    let zero = _mm256_setzero_si256();
    [
        _mm256_unpacklo_epi16(halves[0], zero),
        _mm256_unpackhi_epi16(halves[0], zero),
        _mm256_unpacklo_epi16(halves[1], zero),
        _mm256_unpackhi_epi16(halves[1], zero),
    ]
}
