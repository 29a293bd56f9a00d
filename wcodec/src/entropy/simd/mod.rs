//! Which instructions the decoder uses: found out once, at run time.
//!
//! Every path decodes the same bytes to the same symbols as the scalar one, `rans::decode`, and a
//! differential test holds it to that.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod encode_avx2;
pub(crate) mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

/// The most chunks that a thread decodes in turn.
pub(crate) const MAX_IN_FLIGHT: usize = 4;

/// For each set of 32-bit lanes that take a word, the bytes of the next words that go into each lane. Where a lane
/// takes nothing, an index that byte shuffles answer with 0: bit 7 for x86, out of range for NEON.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const fn words_of_lanes<const BYTES: usize, const SETS: usize>() -> [[u8; BYTES]; SETS] {
    const { assert!(SETS == 1 << (BYTES / 4), "every set of lanes") };
    let mut orders = [[0x80; BYTES]; SETS];
    let mut set = 0;
    while set < SETS {
        let (mut lane, mut taken) = (0, 0);
        while lane < BYTES / 4 {
            if set >> lane & 1 == 1 {
                orders[set][4 * lane] = 2 * taken;
                orders[set][4 * lane + 1] = 2 * taken + 1;
                taken += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    orders
}

/// Something to compile for each instruction set: plain code that the compiler vectorises.
pub(crate) trait Work {
    type Output;
    /// Implementations are `#[inline(always)]`, and so is what of theirs is to gain.
    fn run(self) -> Self::Output;
}

/// An instruction set with a decoder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// What every machine has: the oracle.
    Scalar,
    /// x86-64 with AVX2 and the bit instructions that came with it.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same with AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AArch64 with NEON.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    /// The instruction sets this machine has, the best last.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn available() -> impl DoubleEndedIterator<Item = Self> {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        [
            Some(Self::Scalar),
            avx2.then_some(Self::Avx2),
            avx512.then_some(Self::Avx512),
        ]
        .into_iter()
        .flatten()
    }

    /// The instruction sets this machine has, the best last.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn available() -> impl DoubleEndedIterator<Item = Self> {
        let neon = std::arch::is_aarch64_feature_detected!("neon");
        [Some(Self::Scalar), neon.then_some(Self::Neon)]
            .into_iter()
            .flatten()
    }

    /// The instruction sets this machine has, the best last.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn available() -> impl DoubleEndedIterator<Item = Self> {
        std::iter::once(Self::Scalar)
    }

    /// The name that `WCODEC_SIMD` knows it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }

    /// How many chunks a thread best decodes in turn, at most [`MAX_IN_FLIGHT`].
    pub(crate) fn in_flight(self) -> usize {
        match self {
            Self::Scalar => 1,
            // Three and four measured slower than two: their states do not fit the registers.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 4,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => 2,
        }
    }

    /// Runs `work` compiled for this instruction set.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Scalar => work.run(),
            // SAFETY: an `Isa` is made only where the machine has what it names.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "SIMD")]
            Self::Avx2 => unsafe { avx2::run(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "SIMD")]
            Self::Avx512 => unsafe { avx512::run(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            #[expect(unsafe_code, reason = "SIMD")]
            Self::Neon => unsafe { neon::run(work) },
        }
    }

    /// Fetches memory that is about to be written, so that writing does not wait for it while the caches are busy with
    /// nothing else. A hint: it changes nothing.
    #[inline]
    pub(crate) fn prefetch<T>(self, out: &mut [T]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 => x86::prefetch(out),
            // Scalar decoding is slow enough for the hardware's own prefetcher.
            _ => {
                let _ = out;
            }
        }
    }

    /// The one in use: the best, or the one that the environment variable `WCODEC_SIMD` names if this machine has it.
    pub(crate) fn chosen() -> Self {
        static CHOSEN: OnceLock<Isa> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let asked = std::env::var("WCODEC_SIMD").ok();
            let named = Self::available().find(|isa| asked.as_deref() == Some(isa.name()));
            named
                .or(Self::available().next_back())
                .unwrap_or(Self::Scalar)
        })
    }
}
