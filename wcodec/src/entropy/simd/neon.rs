//! rANS decoding with NEON: 32 lanes in eight vectors, the alias table in byte look-ups.
//!
//! A small table has 32 buckets and 64 shares of buckets: as many bytes as one look-up instruction takes. A large table
//! is left to the scalar decoder, for NEON has no gather.

use super::Work;
use super::kernel::Kernel;
use crate::entropy::rans::decode::{Decoder, GROUP_BYTES, Group, SmallBuckets};
use crate::format::{ALIAS_SMALL_LOG2, RANS_SCALE_BITS, RANS_STATE_MIN};
use std::arch::aarch64::{
    uint8x8_t, uint8x16_t, uint8x16x2_t, uint8x16x4_t, uint16x8_t, uint32x4_t, vaddq_u32,
    vaddvq_u32, vaddw_high_u8, vaddw_u8, vandq_u8, vandq_u16, vandq_u32, vcgeq_u8, vcltq_u32,
    vcombine_u8, vdupq_n_u8, vdupq_n_u16, vdupq_n_u32, vget_low_u8, vget_low_u16, vld1_u8,
    vld1q_u8, vld1q_u32, vmovl_high_u16, vmovl_u16, vmulq_u32, vorrq_u8, vorrq_u32, vqtbl1q_u8,
    vqtbl2q_u8, vqtbl4q_u8, vreinterpretq_s32_u32, vreinterpretq_u8_u16, vreinterpretq_u16_u8,
    vreinterpretq_u16_u32, vreinterpretq_u32_u8, vshlq_u32, vshrn_high_n_u16, vshrn_n_u16,
    vshrq_n_u32, vst1q_u8, vst1q_u32, vuzp1q_u8, vuzp1q_u16, vzip1q_u8, vzip2q_u8,
};

const BUCKETS: usize = 1 << ALIAS_SMALL_LOG2;
const ALIAS_SHARE: u8 = 1 << ALIAS_SMALL_LOG2;
const BUCKET_SLOTS_LOG2: u32 = RANS_SCALE_BITS - ALIAS_SMALL_LOG2;

/// One byte for each bucket's own symbol, then for each bucket's alias.
type Shares = [u8; 2 * BUCKETS];

/// A small table as byte look-ups.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct SmallTable {
    threshold: [u8; BUCKETS],
    /// Low and high byte.
    freq: [Shares; 2],
    bias: [Shares; 2],
    code: Shares,
    pub(super) buckets: SmallBuckets,
}

impl SmallTable {
    pub(super) fn new(buckets: SmallBuckets) -> Self {
        let mut small = Self {
            threshold: [0; BUCKETS],
            freq: [[0; 2 * BUCKETS]; 2],
            bias: [[0; 2 * BUCKETS]; 2],
            code: [0; 2 * BUCKETS],
            buckets,
        };
        for (index, bucket) in small.buckets.buckets.iter().enumerate() {
            small.threshold[index] = bucket.threshold.to_le_bytes()[0];
            for (index, share) in [(index, bucket.own), (index + BUCKETS, bucket.alias)] {
                small.code[index] = small.buckets.code(share.symbol);
                for byte in 0..2 {
                    small.freq[byte][index] = share.freq.to_le_bytes()[byte];
                    small.bias[byte][index] = share.bias.to_le_bytes()[byte];
                }
            }
        }
        small
    }
}

/// Of four lanes.
static WORDS_OF_LANES: [[u8; 16]; 16] = super::words_of_lanes();

/// The bit of each lane in a set of four.
static LANE_BITS: [u32; 4] = [1, 2, 4, 8];

#[inline]
#[target_feature(enable = "neon")]
fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the array has the 16 bytes that are read.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        vld1q_u8(bytes.as_ptr())
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_lanes(lanes: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the array has the four lanes that are read.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        vld1q_u32(lanes.as_ptr())
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn store_lanes(lanes: &mut [u32; 4], vector: uint32x4_t) {
    // SAFETY: the array has the four lanes that are written.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        vst1q_u32(lanes.as_mut_ptr(), vector);
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn store(out: &mut [u8; 16], bytes: uint8x16_t) {
    // SAFETY: the array has the 16 bytes that are written.
    #[expect(unsafe_code, reason = "SIMD")]
    unsafe {
        vst1q_u8(out.as_mut_ptr(), bytes);
    }
}

/// Four words at `at`.
///
/// # Safety
///
/// `at` is at most 28 words into the group.
#[inline]
#[target_feature(enable = "neon")]
#[expect(unsafe_code, reason = "SIMD")]
unsafe fn load_words(group: &[u8; GROUP_BYTES], at: usize) -> uint8x8_t {
    debug_assert!(at <= 28);
    // SAFETY: as promised: the words end within the group's 64 bytes.
    unsafe { vld1_u8(group.as_ptr().add(2 * at)) }
}

/// Runs `work` compiled for NEON.
#[target_feature(enable = "neon")]
pub(crate) fn run<W: Work>(work: W) -> W::Output {
    work.run()
}

/// A chunk whose states are in registers.
struct InFlight<'a> {
    table: &'a SmallTable,
    x: [uint32x4_t; 8],
    words: &'a [u8],
}

impl<'a> InFlight<'a> {
    #[inline]
    #[target_feature(enable = "neon")]
    fn take_off(decoder: &Decoder<'a>) -> Option<Self> {
        let Kernel::NeonSmall(table) = decoder.table().kernel() else {
            return None;
        };
        let (lanes, _) = decoder.states.as_chunks::<4>();
        Some(Self {
            table,
            x: [0, 1, 2, 3, 4, 5, 6, 7].map(|i| load_lanes(&lanes[i])),
            words: decoder.words,
        })
    }

    /// Decodes one symbol from each lane of one half, from word `taken` of the group, and says which word is next.
    #[inline]
    #[target_feature(enable = "neon")]
    fn advance(
        &mut self,
        half: usize,
        out: &mut Group,
        group: &[u8; GROUP_BYTES],
        mut taken: usize,
    ) -> usize {
        let x = &mut self.x.as_chunks_mut::<4>().0[half];
        let looked = look_up(self.table, x, &mut out.as_chunks_mut::<16>().0[half]);
        for (x, (freq, rank)) in x.iter_mut().zip(looked) {
            taken = advance(x, freq, rank, group, taken);
        }
        taken
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn land(self, decoder: &mut Decoder<'a>) {
        let (lanes, _) = decoder.states.as_chunks_mut::<4>();
        for (lanes, x) in lanes.iter_mut().zip(self.x) {
            store_lanes(lanes, x);
        }
        decoder.words = self.words;
    }
}

/// [`kernel::decode_groups`](super::kernel::decode_groups) of one or two chunks whose tables are all small; 0 of
/// others.
#[target_feature(enable = "neon")]
pub(crate) fn decode_groups(decoders: &mut [Decoder<'_>], outs: &mut [&mut [Group]]) -> usize {
    // One arm for each number of chunks: the states of each have names of their own, so they stay in registers.
    macro_rules! in_turn {
        ($($decoder:ident $flight:ident $out:ident $group:ident $taken:ident),+) => {{
            $(let Some(mut $flight) = InFlight::take_off($decoder) else {
                return 0;
            };)+
            let most = [$($out.len()),+].into_iter().min().unwrap_or(0);
            let mut decoded = 0;
            while decoded < most
                && let ($(Some($group),)+) = ($($flight.words.first_chunk::<GROUP_BYTES>(),)+)
            {
                $(let mut $taken = 0;)+
                for half in 0..2 {
                    $($taken = $flight.advance(half, &mut $out[decoded], $group, $taken);)+
                }
                $($flight.words = &$flight.words[2 * $taken..];)+
                decoded += 1;
            }
            $($flight.land($decoder);)+
            decoded
        }};
    }
    match (decoders, outs) {
        ([a], [out_a]) => in_turn!(a fa out_a group_a taken_a),
        ([a, b], [out_a, out_b]) => {
            in_turn!(a fa out_a group_a taken_a, b fb out_b group_b taken_b)
        }
        _ => 0,
    }
}

/// Stores the codes of the slots in 16 lanes, and returns frequency and rank for four lanes each.
#[inline]
#[target_feature(enable = "neon")]
fn look_up(
    table: &SmallTable,
    x: &[uint32x4_t; 4],
    out: &mut [u8; 16],
) -> [(uint32x4_t, uint32x4_t); 4] {
    let low_words = |a, b| vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
    let slot_mask = vdupq_n_u16((1 << RANS_SCALE_BITS) - 1);
    let slots = [
        vandq_u16(low_words(x[0], x[1]), slot_mask),
        vandq_u16(low_words(x[2], x[3]), slot_mask),
    ];
    let bucket = vshrn_high_n_u16::<{ BUCKET_SLOTS_LOG2 as i32 }>(
        vshrn_n_u16::<{ BUCKET_SLOTS_LOG2 as i32 }>(slots[0]),
        slots[1],
    );
    let place = vandq_u8(
        vuzp1q_u8(
            vreinterpretq_u8_u16(slots[0]),
            vreinterpretq_u8_u16(slots[1]),
        ),
        vdupq_n_u8((1 << BUCKET_SLOTS_LOG2) - 1),
    );
    let (thresholds, _) = table.threshold.as_chunks::<16>();
    let thresholds = uint8x16x2_t(load(&thresholds[0]), load(&thresholds[1]));
    let is_alias = vcgeq_u8(place, vqtbl2q_u8(thresholds, bucket));
    let share = vorrq_u8(bucket, vandq_u8(is_alias, vdupq_n_u8(ALIAS_SHARE)));
    store(out, pick(&table.code, share));
    let [freq_low, freq_high] = [pick(&table.freq[0], share), pick(&table.freq[1], share)];
    let [bias_low, bias_high] = [pick(&table.bias[0], share), pick(&table.bias[1], share)];
    let freqs = [
        vreinterpretq_u16_u8(vzip1q_u8(freq_low, freq_high)),
        vreinterpretq_u16_u8(vzip2q_u8(freq_low, freq_high)),
    ];
    let ranks = [
        vaddw_u8(
            vreinterpretq_u16_u8(vzip1q_u8(bias_low, bias_high)),
            vget_low_u8(place),
        ),
        vaddw_high_u8(vreinterpretq_u16_u8(vzip2q_u8(bias_low, bias_high)), place),
    ];
    let low = |words: uint16x8_t| vmovl_u16(vget_low_u16(words));
    [
        (low(freqs[0]), low(ranks[0])),
        (vmovl_high_u16(freqs[0]), vmovl_high_u16(ranks[0])),
        (low(freqs[1]), low(ranks[1])),
        (vmovl_high_u16(freqs[1]), vmovl_high_u16(ranks[1])),
    ]
}

#[inline]
#[target_feature(enable = "neon")]
fn pick(shares: &Shares, share: uint8x16_t) -> uint8x16_t {
    let (quarters, _) = shares.as_chunks::<16>();
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| load(&quarters[i]));
    vqtbl4q_u8(uint8x16x4_t(a, b, c, d), share)
}

/// Moves the states of four lanes on, from word `taken` of the group, and says which word is next.
#[inline]
#[target_feature(enable = "neon")]
fn advance(
    x: &mut uint32x4_t,
    freq: uint32x4_t,
    rank: uint32x4_t,
    group: &[u8; GROUP_BYTES],
    taken: usize,
) -> usize {
    let quotient = vshrq_n_u32::<{ RANS_SCALE_BITS as i32 }>(*x);
    let next = vaddq_u32(vmulq_u32(freq, quotient), rank);
    let below = vcltq_u32(next, vdupq_n_u32(RANS_STATE_MIN));
    let set = vaddvq_u32(vandq_u32(below, load_lanes(&LANE_BITS))) & 15;
    debug_assert!(taken <= 28);
    // SAFETY: at most seven vectors of four lanes have taken words before.
    #[expect(unsafe_code, reason = "SIMD")]
    let words = unsafe { load_words(group, taken) };
    let words = vqtbl1q_u8(
        vcombine_u8(words, words),
        load(&WORDS_OF_LANES[set as usize]),
    );
    let shift = vreinterpretq_s32_u32(vandq_u32(below, vdupq_n_u32(16)));
    *x = vorrq_u32(vshlq_u32(next, shift), vreinterpretq_u32_u8(words));
    taken + set.count_ones() as usize
}
