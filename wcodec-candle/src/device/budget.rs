//! How the memory that a session may take is divided.

/// Bytes of a slot, if the file's parts are smaller: large enough for a disk and a bus, small enough for several.
const SLOT_BYTES: usize = 16 << 20;
/// Slots of the ring: some are read into, some are copied from, some are decoded.
const SLOTS: std::ops::RangeInclusive<usize> = 2..=16;
/// Work and statuses of one launch sequence.
const BLOCK_BYTES: usize = 2 << 20;
const SMALLEST_SLOT_BYTES: usize = 64 << 10;
const ALIGN: usize = 256;

/// What a session allocates, in bytes. Blocks and scratch exist once for each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(super) slot_bytes: usize,
    pub(super) num_slots: usize,
    pub(super) block_bytes: usize,
    pub(super) num_blocks: usize,
    /// At most; it is allocated when a part needs it.
    pub(super) scratch_bytes: usize,
}

impl Budget {
    /// Divides `bytes` of device memory, for a file whose largest part has a payload of `largest_part`: half is the
    /// ring, an eighth the work of launches, the rest scratch. A part larger than a quarter of it all is not decoded
    /// on the device. Below 2 MiB, a session takes more than it was given.
    pub(crate) fn divide(bytes: usize, largest_part: usize) -> Self {
        let ring = bytes / 2;
        let most = (ring / *SLOTS.start()).max(SMALLEST_SLOT_BYTES);
        let slot_bytes = largest_part
            .max(SLOT_BYTES)
            .min(most)
            .next_multiple_of(ALIGN);
        let num_slots = (ring / slot_bytes).clamp(*SLOTS.start(), *SLOTS.end());
        let blocks = bytes / 8 / 2;
        let block_bytes = (blocks / 2)
            .clamp(SMALLEST_SLOT_BYTES, BLOCK_BYTES)
            .next_multiple_of(ALIGN);
        Self {
            slot_bytes,
            num_slots,
            block_bytes,
            num_blocks: (blocks / block_bytes).clamp(2, 8),
            scratch_bytes: (bytes / 8).saturating_mul(3) / 2,
        }
    }

    /// Device memory at most: never more than was divided, but for the least that a session works with.
    #[cfg(test)]
    pub(super) fn device_bytes(&self) -> usize {
        self.slot_bytes * self.num_slots
            + 2 * (self.block_bytes * self.num_blocks + self.scratch_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_together_stays_within_what_was_divided() {
        for megabytes in [2, 3, 7, 64, 100, 256, 1000, 4096] {
            for largest in [0, 1000, 6 << 20, 24 << 20, 134 << 20, usize::MAX / 4] {
                let budget = Budget::divide(megabytes << 20, largest);
                assert!(
                    budget.device_bytes() <= megabytes << 20,
                    "{megabytes} MiB, {largest}: {budget:?}"
                );
                assert!(budget.num_slots >= 2 && budget.num_blocks >= 2);
            }
        }
    }

    #[test]
    fn the_default_has_a_ring_of_several_slots() {
        let budget = Budget::divide(256 << 20, 6 << 20);
        assert_eq!((budget.slot_bytes, budget.num_slots), (16 << 20, 8));
        let of_max = Budget::divide(256 << 20, 24 << 20);
        assert_eq!((of_max.slot_bytes, of_max.num_slots), (24 << 20, 5));
    }
}
