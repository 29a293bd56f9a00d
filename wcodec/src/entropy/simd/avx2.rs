//! rANS decoding with AVX2: 32 lanes in four vectors, the alias table in byte shuffles.
//!
//! A small table has 32 buckets, so what a slot needs is one byte shuffle away from its bucket's or its symbol's
//! number, for all 32 lanes at once and without a gather. A large table is gathered from the entries that the scalar
//! decoder uses.

use super::Work;
use super::kernel::Kernel;
use crate::entropy::rans::decode::{Decoder, GROUP_BYTES, Group, SlotTable, SmallBuckets};
use crate::format::{ALIAS_SMALL_LOG2, RANS_SCALE_BITS, RANS_STATE_MIN};
use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_adds_epu8,
    _mm256_and_si256, _mm256_blendv_epi8, _mm256_broadcastsi128_si256, _mm256_castsi256_ps,
    _mm256_cmpeq_epi8, _mm256_cmpeq_epi32, _mm256_i32gather_epi32, _mm256_loadu_si256,
    _mm256_max_epu8, _mm256_min_epu32, _mm256_movemask_ps, _mm256_mullo_epi32, _mm256_or_si256,
    _mm256_packus_epi16, _mm256_packus_epi32, _mm256_permutevar8x32_epi32, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_sllv_epi32, _mm256_srli_epi16, _mm256_srli_epi32,
    _mm256_storeu_si256, _mm256_sub_epi8, _mm256_unpackhi_epi8, _mm256_unpackhi_epi16,
    _mm256_unpacklo_epi8, _mm256_unpacklo_epi16,
};

const BUCKET_SLOTS_LOG2: u32 = RANS_SCALE_BITS - ALIAS_SMALL_LOG2;

/// 32 bytes, by bucket or by symbol, as two 16-entry shuffle tables, each in both halves of a vector.
type Bytes = [[u8; 32]; 2];

/// A small table as shuffles.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct SmallTable {
    /// By bucket.
    threshold: Bytes,
    alias: Bytes,
    /// By bucket, low and high byte, for its own symbol and for its alias.
    own_bias: [Bytes; 2],
    alias_bias: [Bytes; 2],
    /// By symbol, low and high byte.
    freq: [Bytes; 2],
    /// By symbol.
    code: Bytes,
    pub(super) buckets: SmallBuckets,
}

impl SmallTable {
    pub(super) fn new(buckets: SmallBuckets) -> Self {
        let zero = [[0; 32]; 2];
        let mut small = Self {
            threshold: zero,
            alias: zero,
            own_bias: [zero; 2],
            alias_bias: [zero; 2],
            freq: [zero; 2],
            code: zero,
            buckets,
        };
        let words = |low_and_high: &mut [Bytes; 2], index, word: u16| {
            for (bytes, byte) in low_and_high.iter_mut().zip(word.to_le_bytes()) {
                put(bytes, index, byte);
            }
        };
        for (bucket, symbol) in small.buckets.buckets.iter().zip(0..) {
            let index = usize::from(symbol);
            put(
                &mut small.threshold,
                index,
                bucket.threshold.to_le_bytes()[0],
            );
            put(&mut small.alias, index, bucket.alias.symbol);
            put(&mut small.code, index, small.buckets.code(symbol));
            words(&mut small.own_bias, index, bucket.own.bias);
            words(&mut small.alias_bias, index, bucket.alias.bias);
            words(&mut small.freq, index, bucket.own.freq);
        }
        small
    }
}

fn put(bytes: &mut Bytes, index: usize, byte: u8) {
    let half = &mut bytes[index / 16];
    half[index % 16] = byte;
    half[16 + index % 16] = byte;
}

/// Of eight lanes.
static WORDS_OF_LANES: [[u8; 32]; 256] = super::words_of_lanes();

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array has the 32 bytes that are read; the load needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_loadu_si256(bytes.as_ptr().cast())
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store(bytes: &mut [u8; 32], vector: __m256i) {
    // SAFETY: the array has the 32 bytes that are written; the store needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector);
    }
}

/// Eight words at `at`.
///
/// # Safety
///
/// `at` is at most 24 words into the group.
#[inline]
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "SIMD")]
unsafe fn load_words(group: &[u8; GROUP_BYTES], at: usize) -> __m128i {
    debug_assert!(at <= 24);
    // SAFETY: as promised: the words end within the group's 64 bytes.
    unsafe { _mm_loadu_si128(group.as_ptr().add(2 * at).cast()) }
}

/// Runs `work` compiled for AVX2.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
pub(crate) fn run<W: Work>(work: W) -> W::Output {
    work.run()
}

/// A table that looks up the slots of 32 lanes at once.
#[expect(unsafe_code, reason = "SIMD")]
pub(crate) trait Lookup {
    /// Frequencies and ranks of 32 slots.
    type Looked: Copy;

    /// The table, if it is of this form.
    fn of(kernel: &Kernel) -> Option<&Self>;

    /// What the slots in `x` say; stores their codes.
    ///
    /// # Safety
    ///
    /// The machine has AVX2.
    unsafe fn look_up(&self, x: &[__m256i; 4], out: &mut Group) -> Self::Looked;

    /// Frequencies and ranks of the slots of `x[index]`.
    ///
    /// # Safety
    ///
    /// The machine has AVX2.
    unsafe fn vector(looked: Self::Looked, index: usize) -> (__m256i, __m256i);
}

/// A chunk whose states are in registers.
struct InFlight<'a, L> {
    table: &'a L,
    x: [__m256i; 4],
    words: &'a [u8],
}

impl<'a, L: Lookup> InFlight<'a, L> {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn take_off(decoder: &Decoder<'a>) -> Option<Self> {
        let (lanes, _) = decoder.states.as_chunks::<8>();
        let x = [&lanes[0], &lanes[1], &lanes[2], &lanes[3]];
        Some(Self {
            table: L::of(decoder.table().kernel())?,
            x: x.map(|lanes| load(bytemuck::must_cast_ref(lanes))),
            words: decoder.words,
        })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn land(self, decoder: &mut Decoder<'a>) {
        let (lanes, _) = decoder.states.as_chunks_mut::<8>();
        for (lanes, x) in lanes.iter_mut().zip(self.x) {
            store(bytemuck::must_cast_mut(lanes), x);
        }
        decoder.words = self.words;
    }

    /// Moves the states of `x[index]` on, from word `taken` of the group, and says which word is next.
    ///
    /// # Safety
    ///
    /// The machine has AVX2 and POPCNT, and `taken` is at most 24.
    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn advance(
        &mut self,
        looked: L::Looked,
        index: usize,
        group: &[u8; GROUP_BYTES],
        taken: usize,
    ) -> usize {
        // SAFETY: as promised.
        unsafe {
            let (freqs, ranks) = L::vector(looked, index);
            let quotient = _mm256_srli_epi32::<{ RANS_SCALE_BITS as i32 }>(self.x[index]);
            let next = _mm256_add_epi32(_mm256_mullo_epi32(freqs, quotient), ranks);
            let least = _mm256_set1_epi32(RANS_STATE_MIN.cast_signed() - 1);
            let below = _mm256_cmpeq_epi32(_mm256_min_epu32(next, least), next);
            let set = _mm256_movemask_ps(_mm256_castsi256_ps(below)).cast_unsigned() as usize;
            let words = _mm256_broadcastsi128_si256(load_words(group, taken));
            let words = _mm256_shuffle_epi8(words, load(&WORDS_OF_LANES[set & 255]));
            let word_bits = _mm256_and_si256(below, _mm256_set1_epi32(16));
            self.x[index] = _mm256_or_si256(_mm256_sllv_epi32(next, word_bits), words);
            taken + set.count_ones() as usize
        }
    }
}

/// [`kernel::decode_groups`](super::kernel::decode_groups) of chunks whose tables are all of the form `L`; 0 of others.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
pub(crate) fn decode_groups<L: Lookup + 'static>(
    decoders: &mut [Decoder<'_>],
    outs: &mut [&mut [Group]],
) -> usize {
    // One arm for each number of chunks: the states of each have names of their own, so they stay in registers. Every
    // chunk looks up before any moves on, so that a processor sees the work of all chunks at once.
    macro_rules! in_turn {
        ($($decoder:ident $flight:ident $out:ident $group:ident $looked:ident $taken:ident),+) => {{
            $(let Some(mut $flight) = InFlight::<L>::take_off($decoder) else {
                return 0;
            };)+
            let most = [$($out.len()),+].into_iter().min().unwrap_or(0);
            let mut decoded = 0;
            while decoded < most
                && let ($(Some($group),)+) = ($($flight.words.first_chunk::<GROUP_BYTES>(),)+)
            {
                // SAFETY: this function is compiled for AVX2, so whoever called it knows that it is there.
                #[expect(unsafe_code, reason = "SIMD")]
                unsafe {
                    $(let $looked = $flight.table.look_up(&$flight.x, &mut $out[decoded]);)+
                    $(let mut $taken = 0;)+
                    for index in 0..4 {
                        $($taken = $flight.advance($looked, index, $group, $taken);)+
                    }
                    $($flight.words = &$flight.words[2 * $taken..];)+
                }
                decoded += 1;
            }
            $($flight.land($decoder);)+
            decoded
        }};
    }
    match (decoders, outs) {
        ([a], [out_a]) => in_turn!(a fa out_a group_a looked_a taken_a),
        ([a, b], [out_a, out_b]) => in_turn!(
            a fa out_a group_a looked_a taken_a,
            b fb out_b group_b looked_b taken_b
        ),
        _ => 0,
    }
}

/// The shuffle indices of 32 numbers below 32 for either half of a [`Bytes`]: a shuffle gives 0 where an index has its
/// top bit set, so above 15 for the low half and below 16 for the high one.
#[derive(Clone, Copy)]
struct Indices {
    low: __m256i,
    high: __m256i,
}

#[inline]
#[target_feature(enable = "avx2")]
fn indices(numbers: __m256i) -> Indices {
    Indices {
        low: _mm256_adds_epu8(numbers, _mm256_set1_epi8(0x70)),
        high: _mm256_sub_epi8(numbers, _mm256_set1_epi8(16)),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn pick(table: &Bytes, at: Indices) -> __m256i {
    _mm256_or_si256(
        _mm256_shuffle_epi8(load(&table[0]), at.low),
        _mm256_shuffle_epi8(load(&table[1]), at.high),
    )
}

impl Lookup for SmallTable {
    /// 16-bit frequencies and ranks in the order that packing leaves.
    type Looked = [(__m256i, __m256i); 2];

    fn of(kernel: &Kernel) -> Option<&Self> {
        match kernel {
            Kernel::Avx2Small(table) => Some(table),
            _ => None,
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, x: &[__m256i; 4], out: &mut Group) -> Self::Looked {
        // SAFETY: the caller promises AVX2.
        unsafe { shuffle(self, x, out) }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn vector(looked: Self::Looked, index: usize) -> (__m256i, __m256i) {
        // SAFETY: the caller promises AVX2.
        unsafe {
            let zero = _mm256_setzero_si256();
            let (freqs, ranks) = looked[index / 2];
            if index.is_multiple_of(2) {
                (
                    _mm256_unpacklo_epi16(freqs, zero),
                    _mm256_unpacklo_epi16(ranks, zero),
                )
            } else {
                (
                    _mm256_unpackhi_epi16(freqs, zero),
                    _mm256_unpackhi_epi16(ranks, zero),
                )
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn shuffle(table: &SmallTable, x: &[__m256i; 4], out: &mut Group) -> [(__m256i, __m256i); 2] {
    let zero = _mm256_setzero_si256();
    // Slots as words, then bucket and place within it as bytes. Packing works within 128-bit halves, so the
    // bytes are out of lane order; unpacking below undoes that for the states, a permutation for the codes.
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
    let at_bucket = indices(bucket);
    let threshold = pick(&table.threshold, at_bucket);
    let is_alias = _mm256_cmpeq_epi8(_mm256_max_epu8(place, threshold), place);
    let [bias_low, bias_high] = [0, 1].map(|byte| {
        let own = pick(&table.own_bias[byte], at_bucket);
        let alias = pick(&table.alias_bias[byte], at_bucket);
        _mm256_blendv_epi8(own, alias, is_alias)
    });
    let symbol = _mm256_blendv_epi8(bucket, pick(&table.alias, at_bucket), is_alias);
    let at_symbol = indices(symbol);
    let [freq_low, freq_high] = [0, 1].map(|byte| pick(&table.freq[byte], at_symbol));
    let codes = pick(&table.code, at_symbol);
    store(out, _mm256_permutevar8x32_epi32(codes, packing_order()));
    [
        (
            _mm256_unpacklo_epi8(freq_low, freq_high),
            _mm256_add_epi16(
                _mm256_unpacklo_epi8(bias_low, bias_high),
                _mm256_unpacklo_epi8(place, zero),
            ),
        ),
        (
            _mm256_unpackhi_epi8(freq_low, freq_high),
            _mm256_add_epi16(
                _mm256_unpackhi_epi8(bias_low, bias_high),
                _mm256_unpackhi_epi8(place, zero),
            ),
        ),
    ]
}

impl Lookup for SlotTable {
    /// Whole entries.
    type Looked = [__m256i; 4];

    fn of(kernel: &Kernel) -> Option<&Self> {
        match kernel {
            Kernel::Avx2Slots(table) => Some(table),
            _ => None,
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, x: &[__m256i; 4], out: &mut Group) -> Self::Looked {
        // SAFETY: the caller promises AVX2.
        unsafe { gather(&self.0, x, out) }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn vector(looked: Self::Looked, index: usize) -> (__m256i, __m256i) {
        // SAFETY: the caller promises AVX2.
        unsafe {
            let mask = _mm256_set1_epi32((1 << RANS_SCALE_BITS) - 1);
            let less_one = _mm256_srli_epi32::<{ RANS_SCALE_BITS as i32 }>(looked[index]);
            let freqs = _mm256_add_epi32(_mm256_and_si256(less_one, mask), _mm256_set1_epi32(1));
            (freqs, _mm256_and_si256(looked[index], mask))
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn gather(slots: &[u32; 1 << RANS_SCALE_BITS], x: &[__m256i; 4], out: &mut Group) -> [__m256i; 4] {
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
    let codes = _mm256_packus_epi16(
        _mm256_packus_epi32(codes[0], codes[1]),
        _mm256_packus_epi32(codes[2], codes[3]),
    );
    store(out, _mm256_permutevar8x32_epi32(codes, packing_order()));
    entries
}

/// Where the fours of bytes lie after packing twice within 128-bit halves.
#[inline]
#[target_feature(enable = "avx2")]
fn packing_order() -> __m256i {
    _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)
}
