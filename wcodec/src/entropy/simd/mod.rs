//! Which instructions the decoder uses: found out once, at run time.
//!
//! Every path decodes the same bytes to the same symbols as the scalar one, `rans::decode`, and a
//! differential test holds it to that.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;

use std::sync::OnceLock;

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
    /// x86-64 with AVX2 and POPCNT.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Isa {
    /// The instruction sets this machine has, the best last.
    pub(crate) fn available() -> impl DoubleEndedIterator<Item = Self> {
        [
            Some(Self::Scalar),
            #[cfg(target_arch = "x86_64")]
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt"))
                .then_some(Self::Avx2),
        ]
        .into_iter()
        .flatten()
    }

    /// The name that `WCODEC_SIMD` knows it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
        }
    }

    /// Runs `work` compiled for this instruction set.
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Scalar => work.run(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Isa::Avx2` is made only where the machine has AVX2 and POPCNT.
            #[expect(unsafe_code, reason = "SIMD")]
            Self::Avx2 => unsafe { avx2::run(work) },
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
