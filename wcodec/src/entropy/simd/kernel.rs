//! A frequency table in the form that one instruction set looks slots up in, and the decoders of these forms.

use super::Isa;
#[cfg(target_arch = "aarch64")]
use super::neon;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::entropy::rans::Table;
use crate::entropy::rans::decode::{self, Decoder, Group, Slot, SlotTable, SmallBuckets};

/// A table prepared for one instruction set, which this machine has.
#[derive(Debug)]
pub(crate) enum Kernel {
    /// One entry a slot.
    Slots(SlotTable),
    /// The same, gathered with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2Slots(SlotTable),
    /// A small table in AVX2 byte shuffles.
    #[cfg(target_arch = "x86_64")]
    Avx2Small(Box<avx2::SmallTable>),
    /// One entry a slot, gathered with AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512Slots(SlotTable),
    /// A small table in AVX-512 permutations.
    #[cfg(target_arch = "x86_64")]
    Avx512Small(Box<avx512::SmallTable>),
    /// A small table in NEON look-ups.
    #[cfg(target_arch = "aarch64")]
    NeonSmall(Box<neon::SmallTable>),
}

impl Kernel {
    /// The form that suits `isa`. `codes` are the codes of symbols, `slots` expands the table where it has to be.
    pub(crate) fn new(
        isa: Isa,
        table: &Table,
        codes: &[u8; 256],
        slots: impl FnOnce() -> SlotTable,
    ) -> Self {
        let small = || SmallBuckets::new(table, codes);
        match isa {
            Isa::Scalar => Self::Slots(slots()),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => match small() {
                Some(small) => Self::Avx2Small(Box::new(avx2::SmallTable::new(small))),
                None => Self::Avx2Slots(slots()),
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => match small() {
                Some(small) => Self::Avx512Small(Box::new(avx512::SmallTable::new(small))),
                None => Self::Avx512Slots(slots()),
            },
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => match small() {
                Some(small) => Self::NeonSmall(Box::new(neon::SmallTable::new(small))),
                None => Self::Slots(slots()),
            },
        }
    }

    /// What one slot says, for the few symbols that fill no group.
    pub(crate) fn slot(&self, slot: u32) -> Slot {
        match self {
            Self::Slots(table) => table.slot(slot),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Slots(table) | Self::Avx512Slots(table) => table.slot(slot),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Small(table) => table.buckets.slot(slot),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Small(table) => table.buckets.slot(slot),
            #[cfg(target_arch = "aarch64")]
            Self::NeonSmall(table) => table.buckets.slot(slot),
        }
    }
}

/// Decodes groups of 32 symbols of each chunk in turn, so that the latencies of one hide behind the work of the others,
/// as long as every lane of every one has a word ahead; returns how many groups of each. At least one group, if there
/// is one in every `outs`, where there is one decoder with a word ahead for every lane.
pub(crate) fn decode_groups(decoders: &mut [Decoder<'_>], outs: &mut [&mut [Group]]) -> usize {
    let Some(first) = decoders.first() else {
        return 0;
    };
    match first.table().kernel() {
        Kernel::Slots(table) => match (decoders, outs) {
            ([decoder], [out]) => decode::decode_groups(table, decoder, out),
            _ => 0, // nothing to gain
        },
        // SAFETY: an `Isa` is made only where the machine has what it names, and these kernels only from theirs.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "SIMD")]
        Kernel::Avx2Slots(_) => unsafe { avx2::decode_groups::<SlotTable>(decoders, outs) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "SIMD")]
        Kernel::Avx2Small(_) => unsafe { avx2::decode_groups::<avx2::SmallTable>(decoders, outs) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "SIMD")]
        Kernel::Avx512Slots(_) => unsafe { avx512::decode_groups::<SlotTable>(decoders, outs) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "SIMD")]
        Kernel::Avx512Small(_) => unsafe {
            avx512::decode_groups::<avx512::SmallTable>(decoders, outs)
        },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        #[expect(unsafe_code, reason = "SIMD")]
        Kernel::NeonSmall(_) => unsafe { neon::decode_groups(decoders, outs) },
    }
}
