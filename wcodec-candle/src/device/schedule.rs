//! Which extent each slot of the ring holds, and what to read next. Plain bookkeeping: no bytes, no device.

use super::layout::Layout;

/// Extents before the one asked for last that may still be asked for soon: models do not ask quite in file order.
const LOOK_BACK: usize = 2;

/// A slot to fill with an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fill {
    pub(super) slot: usize,
    pub(super) extent: usize,
}

/// What to do about an extent that is needed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It lies in this slot, which stays as it is until [`Schedule::release`].
    Ready(usize),
    /// The caller reads it, reports that with [`Schedule::filled`], and claims again.
    Fill(Fill),
    /// Somebody else reads it, or every slot is in use: to be asked again after the next change.
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Empty,
    Filling,
    Full,
}

#[derive(Debug)]
struct Slot {
    phase: Phase,
    /// What it holds or is filled with.
    extent: usize,
    /// Claims that are not released.
    users: usize,
    /// When it was last used.
    touched: u64,
}

#[derive(Debug)]
struct ExtentState {
    slot: Option<usize>,
    /// For each part, whether it was asked for.
    asked: Vec<bool>,
    unasked: usize,
    /// It could not be read ahead: only who needs it reads it, and gets the error.
    left_to_demand: bool,
    /// Who asked and has not claimed it yet: until then it stays in its slot.
    waiting: usize,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Schedule {
    slots: Vec<Slot>,
    extents: Vec<ExtentState>,
    /// The extent asked for last; `None` before the first.
    cursor: usize,
    clock: u64,
    /// Set to end the readers.
    pub(super) is_closed: bool,
    /// Tensors that are being enqueued.
    pub(super) active: usize,
}

impl Schedule {
    pub(super) fn new(layout: &Layout, num_slots: usize) -> Self {
        let extents = layout.extents().iter().map(|extent| extent.members.len());
        Self::with_members(extents, num_slots)
    }

    fn with_members(members: impl Iterator<Item = usize>, num_slots: usize) -> Self {
        let slot = || Slot {
            phase: Phase::Empty,
            extent: 0,
            users: 0,
            touched: 0,
        };
        let extent = |num_members| ExtentState {
            slot: None,
            asked: vec![false; num_members],
            unasked: num_members,
            left_to_demand: false,
            waiting: 0,
        };
        Self {
            slots: (0..num_slots).map(|_| slot()).collect(),
            extents: members.map(extent).collect(),
            cursor: 0,
            clock: 0,
            is_closed: false,
            active: 0,
        }
    }

    /// Begins anew, as if nothing had been asked for. What lies in the ring stays.
    pub(super) fn forget_asked(&mut self) {
        self.cursor = 0;
        for extent in &mut self.extents {
            extent.unasked = extent.asked.len();
            extent.asked.fill(false);
            extent.left_to_demand = false;
        }
    }

    /// Notes that parts of an extent are asked for.
    pub(super) fn ask(&mut self, extent: usize, members: std::ops::Range<usize>) {
        self.cursor = extent;
        let Some(state) = self.extents.get_mut(extent) else {
            return;
        };
        for asked in state.asked.get_mut(members).unwrap_or_default() {
            state.unasked -= usize::from(!*asked);
            *asked = true;
        }
        state.waiting += 1;
    }

    /// Ends what [`ask`](Self::ask) began, without a claim.
    pub(super) fn leave(&mut self, extent: usize) {
        if let Some(extent) = self.extents.get_mut(extent) {
            extent.waiting = extent.waiting.saturating_sub(1);
        }
    }

    /// What to read ahead now, if there is something and a slot for it.
    pub(super) fn next_read(&mut self) -> Option<Fill> {
        let num = self.extents.len();
        let first = self.first();
        let (rank, extent) =
            (0..num)
                .map(|rank| (rank, (first + rank) % num))
                .find(|&(_, at)| {
                    let is_open = |extent: &ExtentState| {
                        extent.slot.is_none() && extent.unasked > 0 && !extent.left_to_demand
                    };
                    self.extents.get(at).is_some_and(is_open)
                })?;
        let slot = self.victim(|rank_of_slot| rank_of_slot > rank)?;
        Some(self.start(slot, extent))
    }

    /// See [`Claim`].
    pub(super) fn claim(&mut self, extent: usize) -> Claim {
        let held = self.extents.get(extent).and_then(|extent| extent.slot);
        if let Some(at) = held {
            self.clock += 1;
            return match self.slots.get_mut(at) {
                Some(slot) if slot.phase == Phase::Full => {
                    slot.users += 1;
                    slot.touched = self.clock;
                    self.leave(extent);
                    Claim::Ready(at)
                }
                _ => Claim::Wait,
            };
        }
        match self.victim(|_| true) {
            Some(slot) => Claim::Fill(self.start(slot, extent)),
            None => Claim::Wait,
        }
    }

    /// Ends a claim.
    pub(super) fn release(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.users = slot.users.saturating_sub(1);
        }
    }

    /// Notes the outcome of a fill.
    pub(super) fn filled(&mut self, fill: Fill, succeeded: bool) {
        if let Some(slot) = self.slots.get_mut(fill.slot) {
            slot.phase = if succeeded { Phase::Full } else { Phase::Empty };
        }
        if let Some(extent) = self.extents.get_mut(fill.extent)
            && !succeeded
        {
            extent.slot = None;
            extent.left_to_demand = true;
        }
    }

    /// The extent with which reading ahead begins.
    fn first(&self) -> usize {
        self.cursor.saturating_sub(LOOK_BACK)
    }

    /// How far away the use of an extent is believed to be.
    fn rank(&self, extent: usize) -> usize {
        let num = self.extents.len().max(1);
        (extent + num - self.first()) % num
    }

    /// A slot that may be filled: an empty one; else, of those whose parts were all asked for, the one used longest
    /// ago; else the one believed to be used last, if `may_replace` says so of its rank.
    fn victim(&self, may_replace: impl Fn(usize) -> bool) -> Option<usize> {
        let open = || {
            let slots = self.slots.iter().enumerate();
            let is_waited_for = |slot: &Slot| {
                let extent = self.extents.get(slot.extent);
                slot.phase == Phase::Full && extent.is_some_and(|extent| extent.waiting > 0)
            };
            slots.filter(move |(_, slot)| {
                slot.phase != Phase::Filling && slot.users == 0 && !is_waited_for(slot)
            })
        };
        let is_spent = |slot: &Slot| {
            self.extents
                .get(slot.extent)
                .is_none_or(|extent| extent.unasked == 0)
        };
        let empty = open().find(|(_, slot)| slot.phase == Phase::Empty);
        let spent = || {
            open()
                .filter(|(_, slot)| is_spent(slot))
                .min_by_key(|(_, slot)| slot.touched)
        };
        let far = || {
            let far = open().max_by_key(|(_, slot)| self.rank(slot.extent));
            far.filter(|(_, slot)| may_replace(self.rank(slot.extent)))
        };
        empty.or_else(spent).or_else(far).map(|(at, _)| at)
    }

    fn start(&mut self, at: usize, extent: usize) -> Fill {
        if let Some(slot) = self.slots.get_mut(at) {
            if slot.phase == Phase::Full
                && let Some(old) = self.extents.get_mut(slot.extent)
            {
                old.slot = None;
            }
            self.clock += 1;
            *slot = Slot {
                phase: Phase::Filling,
                extent,
                users: 0,
                touched: self.clock,
            };
        }
        if let Some(new) = self.extents.get_mut(extent) {
            new.slot = Some(at);
        }
        Fill { slot: at, extent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(num_extents: usize, num_slots: usize) -> Schedule {
        Schedule::with_members((0..num_extents).map(|_| 1), num_slots)
    }

    /// Fills all that may be read ahead; the extents in their order.
    fn read_ahead(ring: &mut Schedule) -> Vec<usize> {
        let mut read = Vec::new();
        while let Some(fill) = ring.next_read() {
            ring.filled(fill, true);
            read.push(fill.extent);
            assert!(read.len() < 100, "reads the same for ever");
        }
        read
    }

    /// Asks for an extent as a `get` does; whether it had to be read then.
    fn get(ring: &mut Schedule, extent: usize) -> bool {
        ring.ask(extent, 0..1);
        let mut was_read = false;
        loop {
            match ring.claim(extent) {
                Claim::Ready(slot) => {
                    ring.release(slot);
                    return was_read;
                }
                Claim::Fill(fill) => {
                    ring.filled(fill, true);
                    was_read = true;
                }
                Claim::Wait => panic!("nobody else is there to wait for"),
            }
        }
    }

    #[test]
    fn what_is_asked_for_in_file_order_is_read_ahead_once() {
        let mut ring = ring(10, 4);
        assert_eq!(read_ahead(&mut ring), [0, 1, 2, 3]);
        let mut read = 4;
        for extent in 0..10 {
            assert!(!get(&mut ring, extent), "{extent} lies ready");
            read += read_ahead(&mut ring).len();
        }
        assert_eq!(read, 10);
    }

    #[test]
    fn the_head_fetched_second_does_not_push_out_the_layers() {
        let mut ring = ring(10, 4);
        read_ahead(&mut ring);
        assert!(!get(&mut ring, 0));
        assert!(get(&mut ring, 9), "far away: read when asked for");
        // Behind the head comes, around the end, the first that nobody asked for.
        let mut late = 0;
        for extent in 1..9 {
            read_ahead(&mut ring);
            late += usize::from(get(&mut ring, extent));
        }
        assert_eq!(late, 0);
    }

    #[test]
    fn a_slot_in_use_is_never_filled() {
        let mut ring = ring(4, 2);
        read_ahead(&mut ring);
        ring.ask(0, 0..1);
        ring.ask(1, 0..1);
        let (Claim::Ready(a), Claim::Ready(b)) = (ring.claim(0), ring.claim(1)) else {
            panic!("both lie ready")
        };
        assert_eq!(ring.next_read(), None);
        assert_eq!(ring.claim(2), Claim::Wait);
        ring.release(a);
        assert_eq!(ring.claim(2), Claim::Fill(Fill { slot: a, extent: 2 }));
        assert_eq!(ring.claim(2), Claim::Wait, "who fills it has not reported");
        ring.filled(Fill { slot: a, extent: 2 }, true);
        assert_eq!(ring.claim(2), Claim::Ready(a));
        ring.release(b);
    }

    #[test]
    fn what_somebody_waits_for_stays_until_it_is_claimed() {
        let mut ring = ring(10, 2);
        let (first, second) = (ring.next_read().unwrap(), ring.next_read().unwrap());
        ring.ask(0, 0..1);
        assert_eq!(ring.claim(0), Claim::Wait);
        ring.filled(first, true);
        assert_eq!(ring.next_read(), None);
        assert_eq!(ring.claim(0), Claim::Ready(0));
        ring.filled(second, true);
        ring.release(0);
        assert_eq!(ring.next_read(), Some(Fill { slot: 0, extent: 2 }));
    }

    #[test]
    fn a_failed_read_is_left_to_who_needs_it() {
        let mut ring = ring(2, 2);
        let fill = ring.next_read().unwrap();
        ring.filled(fill, false);
        assert_eq!(read_ahead(&mut ring), [1], "0 is not tried again");
        assert!(matches!(ring.claim(0), Claim::Fill(Fill { extent: 0, .. })));
    }

    #[test]
    fn what_nobody_asks_for_makes_room() {
        let mut ring = ring(12, 4);
        for extent in [0, 4, 8] {
            read_ahead(&mut ring);
            get(&mut ring, extent);
        }
        // 5, 6 and 7 lie behind and were never asked for; the two last of them still may be.
        assert!(read_ahead(&mut ring).contains(&9));
        assert!(!get(&mut ring, 9));
        assert!(!get(&mut ring, 7));
    }

    #[test]
    fn beginning_anew_keeps_what_lies_in_the_ring() {
        let mut ring = ring(4, 4);
        read_ahead(&mut ring);
        (0..4).for_each(|extent| _ = get(&mut ring, extent));
        ring.forget_asked();
        assert_eq!(ring.next_read(), None);
        assert!((0..4).all(|extent| !get(&mut ring, extent)));
    }
}
