//! Many who ask for tensors, in random orders.

use super::{group, with_heads};
use crate::device::layout::Group;
use crate::device::schedule::{Claim, Fill, Schedule};

/// Who asks for tensors in a random run: the extents that are left, and where it is with the first of them.
struct Asking {
    extents: Vec<usize>,
    is_asked: bool,
    claimed: Option<usize>,
}

impl Asking {
    /// Does what comes next; whether it could.
    fn step(&mut self, ring: &mut Schedule, fills: &mut Vec<Fill>) -> bool {
        let Some(&extent) = self.extents.first() else {
            return false;
        };
        if let Some(slot) = self.claimed.take() {
            ring.release(slot);
            ring.unwant(extent);
            self.extents.remove(0);
            self.is_asked = false;
            return true;
        }
        if !self.is_asked {
            ring.ask(extent, 0..1);
            self.is_asked = true;
        }
        match ring.claim(extent) {
            Claim::Ready(slot) => self.claimed = Some(slot),
            Claim::Fill(fill) => fills.push(fill),
            Claim::Wait => return false,
        }
        true
    }
}

/// Whatever happens in whatever order, somebody can always go on until everybody has everything.
#[test]
fn no_order_of_calls_blocks() {
    for seed in 1..400u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        let (num, num_slots) = (4 + draw(20), 2 + draw(5));
        let is_last: Vec<bool> = (0..num).map(|_| draw(3) == 0).collect();
        let mut ring = with_heads(&is_last, num_slots);
        let mut asking: Vec<Asking> = (0..1 + draw(4))
            .map(|_| {
                let only_heads = draw(3) == 0;
                let extents = (0..num).filter(|&extent| is_last[extent] || !only_heads);
                let mut extents: Vec<usize> = extents.collect();
                let len = extents.len().max(1);
                extents.rotate_left(draw(len) % len);
                let groups: Vec<Group> = extents.iter().map(|&extent| group(extent)).collect();
                ring.want(&groups);
                Asking {
                    extents,
                    is_asked: false,
                    claimed: None,
                }
            })
            .collect();
        let (mut fills, mut idle) = (Vec::new(), 0);
        while asking.iter().any(|asking| !asking.extents.is_empty()) {
            let went_on = match draw(asking.len() + 2) {
                0 => {
                    let fill = ring.next_read();
                    fills.extend(fill);
                    fill.is_some()
                }
                1 if fills.is_empty() => false,
                1 => {
                    let at = draw(fills.len());
                    ring.filled(fills.swap_remove(at), draw(10) > 0);
                    true
                }
                who => asking[who - 2].step(&mut ring, &mut fills),
            };
            let slots: Vec<usize> = fills.iter().map(|fill| fill.slot).collect();
            assert!((1..slots.len()).all(|at| !slots[..at].contains(&slots[at])));
            idle = if went_on { 0 } else { idle + 1 };
            assert!(idle < 2_000, "seed {seed}: everybody waits: {ring:?}");
        }
        assert!(
            ring.extents
                .iter()
                .all(|extent| extent.wanted == 0 && extent.waiting == 0)
        );
    }
}
