//! Which extent each slot of the ring holds, and what to read next. Plain bookkeeping: no bytes, no device.
//!
//! What models use last is read last: ahead of being asked for only when nothing else is left to read, and when it is
//! asked for, besides what is read ahead for the layers, each in half of the ring. Who waits for a layer goes before
//! who waits for the last, but never takes its only slot: both get on.

mod slots;

use super::layout::{Group, Layout};
use super::machine::Lane;

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
    /// Somebody else reads it, or has to go first, or every slot is in use: to be asked again after the next change.
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
    lane: Lane,
    slot: Option<usize>,
    /// For each part, whether it was asked for.
    asked: Vec<bool>,
    unasked: usize,
    /// It could not be read ahead: only who needs it reads it, and gets the error.
    left_to_demand: bool,
    /// Who asked and has not claimed it yet: until then it stays in its slot.
    waiting: usize,
    /// Tensors that are asked for and have not come to this extent. Only of what is used last: what layers want is
    /// guessed from where they are.
    wanted: usize,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Schedule {
    slots: Vec<Slot>,
    extents: Vec<ExtentState>,
    /// The extent of a layer asked for last; the first before any is.
    cursor: usize,
    clock: u64,
    /// Set to end the readers.
    pub(super) is_closed: bool,
    /// Tensors that are being enqueued.
    pub(super) active: usize,
    /// Tensors that have been begun.
    pub(super) begun: u64,
    /// How many had been when last all that was enqueued was over for good.
    pub(super) drained: Option<u64>,
}

impl Schedule {
    pub(super) fn new(layout: &Layout, num_slots: usize) -> Self {
        let extents = layout.extents().iter();
        let extents = extents.map(|extent| (extent.members.len(), extent.lane));
        Self::with_extents(extents, num_slots)
    }

    /// Of extents of so many parts.
    fn with_extents(extents: impl Iterator<Item = (usize, Lane)>, num_slots: usize) -> Self {
        let slot = || Slot {
            phase: Phase::Empty,
            extent: 0,
            users: 0,
            touched: 0,
        };
        let extent = |(num_members, lane)| ExtentState {
            lane,
            slot: None,
            asked: vec![false; num_members],
            unasked: num_members,
            left_to_demand: false,
            waiting: 0,
            wanted: 0,
        };
        Self {
            slots: (0..num_slots).map(|_| slot()).collect(),
            extents: extents.map(extent).collect(),
            cursor: 0,
            clock: 0,
            is_closed: false,
            active: 0,
            begun: 0,
            drained: None,
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

    /// Notes that a tensor is asked for: those of its extents that are used last may be read now, whether layers are
    /// left or not. Each is to be [unwanted](Self::unwant) when the tensor comes to it.
    pub(super) fn want(&mut self, groups: &[Group]) {
        for group in groups {
            if let Some(extent) = self.extents.get_mut(group.extent)
                && extent.lane == Lane::Last
            {
                extent.wanted += 1;
            }
        }
    }

    /// Ends what [`want`](Self::want) began for one extent.
    pub(super) fn unwant(&mut self, extent: usize) {
        if let Some(extent) = self.extents.get_mut(extent) {
            extent.wanted = extent.wanted.saturating_sub(1);
        }
    }

    /// Notes that parts of an extent are asked for, now.
    pub(super) fn ask(&mut self, extent: usize, members: std::ops::Range<usize>) {
        let Some(state) = self.extents.get_mut(extent) else {
            return;
        };
        if state.lane == Lane::Layers {
            self.cursor = extent;
        }
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
        let next = self.next_of_layers().or_else(|| self.next_of_last());
        next.map(|(slot, extent)| self.start(slot, extent))
    }

    /// What lies behind the layer asked for last.
    fn next_of_layers(&self) -> Option<(usize, usize)> {
        let num = self.extents.len();
        let first = self.first();
        let (rank, extent) = (0..num)
            .map(|rank| (rank, (first + rank) % num))
            .find(|&(_, at)| self.is_unread(at, Lane::Layers))?;
        let slot = match self.held(Lane::Layers) + self.share_of_last() < self.slots.len() {
            true => self.vacant().or_else(|| self.idle_last()),
            false => None,
        };
        let slot = slot.or_else(|| self.farthest(Lane::Layers, |_, of_slot| of_slot > rank));
        Some((slot?, extent))
    }

    /// What a tensor that is used last, and asked for, comes to; else, if there is nothing else to read, what it may.
    fn next_of_last(&self) -> Option<(usize, usize)> {
        let mut all = 0..self.extents.len();
        if self.has_layers_waiting() {
            return None;
        }
        if let Some(extent) = all.clone().find(|&at| self.is_wanted(at)) {
            let slot = self.vacant().or_else(|| self.idle_last());
            return Some((slot.or_else(|| self.share_of_layers())?, extent));
        }
        if all.clone().any(|at| self.is_unread(at, Lane::Layers)) {
            return None;
        }
        let extent = all.find(|&at| self.is_unread(at, Lane::Last))?;
        Some((self.vacant()?, extent))
    }

    /// See [`Claim`].
    pub(super) fn claim(&mut self, extent: usize) -> Claim {
        let state = self.extents.get(extent);
        if let Some(at) = state.and_then(|extent| extent.slot) {
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
        let slot = match state.map_or(Lane::Layers, |extent| extent.lane) {
            Lane::Layers => self.slot_for_layer(),
            Lane::Last => self.slot_for_last(),
        };
        slot.map_or(Claim::Wait, |slot| Claim::Fill(self.start(slot, extent)))
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
mod tests;
