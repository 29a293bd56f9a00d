//! rANS decoding with AVX-512: 32 lanes in two vectors, the alias table in word permutations.
//!
//! A small table has 32 buckets and 64 shares of buckets, so that what a slot needs is one permutation of one or two
//! vectors away. A large table is gathered from the entries that the scalar decoder uses.

use super::Work;
use super::kernel::Kernel;
use crate::entropy::rans::decode::{Decoder, GROUP_BYTES, Group, SlotTable, SmallBuckets};
use crate::format::{ALIAS_SMALL_LOG2, RANS_SCALE_BITS, RANS_STATE_MIN};
use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_storeu_si128, _mm256_loadu_si256, _mm256_storeu_si256,
    _mm512_add_epi16, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_si256,
    _mm512_cmpge_epu16_mask, _mm512_cmplt_epu32_mask, _mm512_cvtepi16_epi8, _mm512_cvtepi32_epi8,
    _mm512_cvtepu16_epi32, _mm512_extracti64x4_epi64, _mm512_i32gather_epi32, _mm512_loadu_si512,
    _mm512_mask_add_epi16, _mm512_mask_or_epi32, _mm512_maskz_expand_epi32, _mm512_mullo_epi32,
    _mm512_permutex2var_epi16, _mm512_permutexvar_epi16, _mm512_set1_epi16, _mm512_set1_epi32,
    _mm512_slli_epi32, _mm512_srli_epi16, _mm512_srli_epi32, _mm512_storeu_si512,
};

const BUCKETS: usize = 1 << ALIAS_SMALL_LOG2;
const ALIAS_SHARE: i16 = 1 << ALIAS_SMALL_LOG2;
const BUCKET_SLOTS_LOG2: u32 = RANS_SCALE_BITS - ALIAS_SMALL_LOG2;

/// One word for each bucket's own symbol, then for each bucket's alias.
type Shares = [[u16; BUCKETS]; 2];

/// A small table as permutations.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct SmallTable {
    threshold: [u16; BUCKETS],
    freq: Shares,
    bias: Shares,
    code: Shares,
    pub(super) buckets: SmallBuckets,
}

impl SmallTable {
    pub(super) fn new(buckets: SmallBuckets) -> Self {
        let mut small = Self {
            threshold: [0; BUCKETS],
            freq: [[0; BUCKETS]; 2],
            bias: [[0; BUCKETS]; 2],
            code: [[0; BUCKETS]; 2],
            buckets,
        };
        for (index, bucket) in small.buckets.buckets.iter().enumerate() {
            small.threshold[index] = bucket.threshold;
            for (which, share) in [bucket.own, bucket.alias].into_iter().enumerate() {
                small.freq[which][index] = share.freq;
                small.bias[which][index] = share.bias;
                small.code[which][index] = small.buckets.code(share.symbol).into();
            }
        }
        small
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load<T: bytemuck::Pod>(words: &[T; 32]) -> __m512i {
    const { assert!(size_of::<[T; 32]>() == 64, "a vector") };
    // SAFETY: the array has the 64 bytes that are read; the load needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm512_loadu_si512(words.as_ptr().cast())
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_lanes(lanes: &[u32; 16]) -> __m512i {
    load::<u16>(bytemuck::must_cast_ref(lanes))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_lanes(lanes: &mut [u32; 16], vector: __m512i) {
    // SAFETY: the array has the 64 bytes that are written; the store needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm512_storeu_si512(lanes.as_mut_ptr().cast(), vector);
    }
}

/// 16 words at `at`.
///
/// # Safety
///
/// `at` is at most 16 words into the group.
#[inline]
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "SIMD")]
unsafe fn load_words(group: &[u8; GROUP_BYTES], at: usize) -> __m256i {
    debug_assert!(at <= 16);
    // SAFETY: as promised: the words end within the group's 64 bytes.
    unsafe { _mm256_loadu_si256(group.as_ptr().add(2 * at).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_codes(out: &mut Group, codes: __m256i) {
    // SAFETY: the array has the 32 bytes that are written; the store needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm256_storeu_si256(out.as_mut_ptr().cast(), codes);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_half(out: &mut [u8; 16], codes: __m128i) {
    // SAFETY: the array has the 16 bytes that are written; the store needs no alignment.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        _mm_storeu_si128(out.as_mut_ptr().cast(), codes);
    }
}

/// Runs `work` compiled for AVX-512.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
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
    /// The machine has AVX-512 F and BW.
    unsafe fn look_up(&self, x: [__m512i; 2], out: &mut Group) -> Self::Looked;

    /// Frequencies and ranks of the slots of `x[0]`, then of `x[1]`.
    ///
    /// # Safety
    ///
    /// The machine has AVX-512 F and BW.
    unsafe fn vectors(looked: Self::Looked) -> [(__m512i, __m512i); 2];
}

/// A chunk whose states are in registers.
struct InFlight<'a, L> {
    table: &'a L,
    x: [__m512i; 2],
    words: &'a [u8],
}

impl<'a, L: Lookup> InFlight<'a, L> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn take_off(decoder: &Decoder<'a>) -> Option<Self> {
        let (lanes, _) = decoder.states.as_chunks::<16>();
        Some(Self {
            table: L::of(decoder.table().kernel())?,
            x: [load_lanes(&lanes[0]), load_lanes(&lanes[1])],
            words: decoder.words,
        })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn land(self, decoder: &mut Decoder<'a>) {
        let (lanes, _) = decoder.states.as_chunks_mut::<16>();
        for (lanes, x) in lanes.iter_mut().zip(self.x) {
            store_lanes(lanes, x);
        }
        decoder.words = self.words;
    }

    /// Moves every state on, and takes the words of a group.
    ///
    /// # Safety
    ///
    /// The machine has AVX-512 F and BW, and POPCNT.
    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn advance(&mut self, looked: L::Looked, group: &[u8; GROUP_BYTES]) {
        let mut taken = 0;
        // SAFETY: as promised; the first of two vectors of 16 lanes takes at most 16 words.
        unsafe {
            for (x, (freq, rank)) in self.x.iter_mut().zip(L::vectors(looked)) {
                let quotient = _mm512_srli_epi32::<RANS_SCALE_BITS>(*x);
                let next = _mm512_add_epi32(_mm512_mullo_epi32(freq, quotient), rank);
                let least = _mm512_set1_epi32(RANS_STATE_MIN.cast_signed());
                let below = _mm512_cmplt_epu32_mask(next, least);
                let words = _mm512_cvtepu16_epi32(load_words(group, taken));
                let words = _mm512_maskz_expand_epi32(below, words);
                let shifted = _mm512_slli_epi32::<16>(next);
                *x = _mm512_mask_or_epi32(next, below, shifted, words);
                taken += below.count_ones() as usize;
            }
        }
        self.words = &self.words[2 * taken..];
    }
}

/// [`kernel::decode_groups`](super::kernel::decode_groups) of chunks whose tables are all of the form `L`; 0 of others.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
pub(crate) fn decode_groups<L: Lookup + 'static>(
    decoders: &mut [Decoder<'_>],
    outs: &mut [&mut [Group]],
) -> usize {
    // One arm for each number of chunks: the states of each have names of their own, so they stay in registers. Every
    // chunk looks up before any moves on, so that a processor sees the work of all chunks at once.
    macro_rules! in_turn {
        ($($decoder:ident $flight:ident $out:ident $group:ident $looked:ident),+) => {{
            $(let Some(mut $flight) = InFlight::<L>::take_off($decoder) else {
                return 0;
            };)+
            let most = [$($out.len()),+].into_iter().min().unwrap_or(0);
            let mut decoded = 0;
            while decoded < most
                && let ($(Some($group),)+) = ($($flight.words.first_chunk::<GROUP_BYTES>(),)+)
            {
                // SAFETY: this function is compiled for these features, so whoever called it knows that they are there.
                #[expect(unsafe_code, reason = "SIMD")]
                unsafe {
                    $(let $looked = $flight.table.look_up($flight.x, &mut $out[decoded]);)+
                    $($flight.advance($looked, $group);)+
                }
                decoded += 1;
            }
            $($flight.land($decoder);)+
            decoded
        }};
    }
    match (decoders, outs) {
        ([a], [out_a]) => in_turn!(a fa out_a group_a looked_a),
        ([a, b], [out_a, out_b]) => {
            in_turn!(a fa out_a group_a looked_a, b fb out_b group_b looked_b)
        }
        ([a, b, c], [out_a, out_b, out_c]) => in_turn!(
            a fa out_a group_a looked_a,
            b fb out_b group_b looked_b,
            c fc out_c group_c looked_c
        ),
        ([a, b, c, d], [out_a, out_b, out_c, out_d]) => in_turn!(
            a fa out_a group_a looked_a,
            b fb out_b group_b looked_b,
            c fc out_c group_c looked_c,
            d fd out_d group_d looked_d
        ),
        _ => 0,
    }
}

impl Lookup for SmallTable {
    /// 16-bit frequencies and ranks.
    type Looked = (__m512i, __m512i);

    fn of(kernel: &Kernel) -> Option<&Self> {
        match kernel {
            Kernel::Avx512Small(table) => Some(table),
            _ => None,
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, x: [__m512i; 2], out: &mut Group) -> Self::Looked {
        // SAFETY: the caller promises AVX-512 F and BW.
        unsafe { permute(self, x, out) }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn vectors((freqs, ranks): Self::Looked) -> [(__m512i, __m512i); 2] {
        // SAFETY: the caller promises AVX-512 F and BW.
        unsafe {
            let low = |words| _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words));
            let high = |words| _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(words));
            [(low(freqs), low(ranks)), (high(freqs), high(ranks))]
        }
    }
}

/// The low words of two vectors of 32-bit numbers.
static LOW_WORDS: [u16; 32] = {
    let mut order = [0; 32];
    let mut lane = 0;
    while lane < 32 {
        order[lane as usize] = 2 * lane;
        lane += 1;
    }
    order
};

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn permute(table: &SmallTable, x: [__m512i; 2], out: &mut Group) -> (__m512i, __m512i) {
    let low = _mm512_permutex2var_epi16(x[0], load(&LOW_WORDS), x[1]);
    let place_mask = _mm512_set1_epi16((1 << BUCKET_SLOTS_LOG2) - 1);
    let place = _mm512_and_si512(low, place_mask);
    // A permutation looks at as many low bits of an index as it needs: 5 for one vector, 6 for two.
    let bucket = _mm512_srli_epi16::<BUCKET_SLOTS_LOG2>(low);
    let threshold = _mm512_permutexvar_epi16(bucket, load(&table.threshold));
    let is_alias = _mm512_cmpge_epu16_mask(place, threshold);
    let bucket = _mm512_and_si512(bucket, _mm512_set1_epi16(ALIAS_SHARE - 1));
    let share = _mm512_mask_add_epi16(bucket, is_alias, bucket, _mm512_set1_epi16(ALIAS_SHARE));
    let pick =
        |shares: &Shares| _mm512_permutex2var_epi16(load(&shares[0]), share, load(&shares[1]));
    store_codes(out, _mm512_cvtepi16_epi8(pick(&table.code)));
    (
        pick(&table.freq),
        _mm512_add_epi16(place, pick(&table.bias)),
    )
}

impl Lookup for SlotTable {
    /// Whole entries.
    type Looked = [__m512i; 2];

    fn of(kernel: &Kernel) -> Option<&Self> {
        match kernel {
            Kernel::Avx512Slots(table) => Some(table),
            _ => None,
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn look_up(&self, x: [__m512i; 2], out: &mut Group) -> Self::Looked {
        // SAFETY: the caller promises AVX-512 F.
        unsafe { gather(&self.0, x, out) }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe fn vectors(entries: Self::Looked) -> [(__m512i, __m512i); 2] {
        // SAFETY: the caller promises AVX-512 F.
        unsafe {
            let mask = _mm512_set1_epi32((1 << RANS_SCALE_BITS) - 1);
            let one = _mm512_set1_epi32(1);
            entries.map(|entry| {
                let less_one = _mm512_srli_epi32::<RANS_SCALE_BITS>(entry);
                let freq = _mm512_add_epi32(_mm512_and_si512(less_one, mask), one);
                (freq, _mm512_and_si512(entry, mask))
            })
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn gather(slots: &[u32; 1 << RANS_SCALE_BITS], x: [__m512i; 2], out: &mut Group) -> [__m512i; 2] {
    let mask = _mm512_set1_epi32((1 << RANS_SCALE_BITS) - 1);
    let entries = x.map(|x| {
        let slot = _mm512_and_si512(x, mask);
        // SAFETY: every index is below 2^12, the length of the table.
        #[expect(unsafe_code, reason = "SIMD")]
        unsafe {
            _mm512_i32gather_epi32::<4>(slot, slots.as_ptr().cast())
        }
    });
    let (halves, _) = out.as_chunks_mut::<16>();
    for (half, entry) in halves.iter_mut().zip(entries) {
        let codes = _mm512_srli_epi32::<{ 2 * RANS_SCALE_BITS }>(entry);
        store_half(half, _mm512_cvtepi32_epi8(codes));
    }
    entries
}
