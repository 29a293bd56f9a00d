//! Which slot may be filled for whom.

use super::{ExtentState, LOOK_BACK, Phase, Schedule, Slot};
use crate::device::machine::Lane;

impl Schedule {
    /// Whether an extent may be read ahead because it may be asked for.
    pub(super) fn is_unread(&self, extent: usize, lane: Lane) -> bool {
        self.extents.get(extent).is_some_and(|extent| {
            extent.lane == lane
                && extent.slot.is_none()
                && extent.unasked > 0
                && !extent.left_to_demand
        })
    }

    /// Whether an extent may be read ahead because a tensor that is used last comes to it.
    pub(super) fn is_wanted(&self, extent: usize) -> bool {
        self.extents.get(extent).is_some_and(|extent| {
            extent.wanted > 0 && extent.slot.is_none() && !extent.left_to_demand
        })
    }

    /// Whether somebody waits for a slot to read a layer into.
    pub(super) fn has_layers_waiting(&self) -> bool {
        let waits = |extent: &ExtentState| {
            extent.lane == Lane::Layers && extent.waiting > 0 && extent.slot.is_none()
        };
        self.extents.iter().any(waits)
    }

    /// Slots that what is read ahead for layers leaves to a tensor that is used last: half of them while such a tensor
    /// is asked for.
    pub(super) fn share_of_last(&self) -> usize {
        let unread = |extent: &ExtentState| extent.wanted > 0 && extent.slot.is_none();
        match self.extents.iter().any(unread) {
            true => (self.slots.len() / 2).max(1),
            false => 0,
        }
    }

    /// Slots that hold something of a lane that may still be asked for, or are in use for it.
    pub(super) fn held(&self, lane: Lane) -> usize {
        let is_held = |slot: &&Slot| {
            let is_of_lane = self.extent(slot).is_some_and(|extent| extent.lane == lane);
            let is_in_use = slot.phase == Phase::Filling || slot.users > 0;
            slot.phase != Phase::Empty && is_of_lane && (is_in_use || !self.is_spent(slot))
        };
        self.slots.iter().filter(is_held).count()
    }

    /// A slot for a layer that somebody waits for.
    pub(super) fn slot_for_layer(&self) -> Option<usize> {
        let slot = self.vacant().or_else(|| self.idle_last());
        let slot = slot.or_else(|| self.farthest(Lane::Layers, |_, _| true));
        slot.or_else(|| self.farthest(Lane::Last, |_, _| true))
    }

    /// A slot for what is used last and somebody waits for. Only the first is for the taking while others wait for
    /// layers.
    pub(super) fn slot_for_last(&self) -> Option<usize> {
        if self.held(Lane::Last) > 0 && self.has_layers_waiting() {
            return None;
        }
        let slot = self.vacant().or_else(|| self.idle_last());
        let slot = slot.or_else(|| self.share_of_layers());
        let slot = slot.or_else(|| self.farthest(Lane::Last, |_, _| true));
        slot.or_else(|| self.farthest(Lane::Layers, |_, _| true))
    }

    /// An empty slot; else, of those whose parts were all asked for, the one used longest ago.
    pub(super) fn vacant(&self) -> Option<usize> {
        let mut empty = self.open().filter(|(_, slot)| slot.phase == Phase::Empty);
        let spent = || {
            let spent = self.open().filter(|(_, slot)| self.is_spent(slot));
            spent.min_by_key(|(_, slot)| slot.touched)
        };
        empty.next().or_else(spent).map(|(at, _)| at)
    }

    /// A slot with what is used last and nobody asks for.
    pub(super) fn idle_last(&self) -> Option<usize> {
        self.farthest(Lane::Last, |extent, _| extent.wanted == 0)
    }

    /// A slot with the layer believed to be used last, if what is used last has less than its share.
    pub(super) fn share_of_layers(&self) -> Option<usize> {
        let has_less = self.held(Lane::Last) < (self.slots.len() / 2).max(1);
        has_less
            .then(|| self.farthest(Lane::Layers, |_, _| true))
            .flatten()
    }

    /// Of the slots that hold something of a lane, the one believed to be used last of those that may be replaced: that
    /// is told of the extent in it and how far away its use is.
    pub(super) fn farthest(
        &self,
        lane: Lane,
        may_be_replaced: impl Fn(&ExtentState, usize) -> bool,
    ) -> Option<usize> {
        let replaceable = self.open().filter_map(|(at, slot)| {
            let (extent, rank) = (self.extent(slot)?, self.rank(slot.extent));
            let is_held = slot.phase == Phase::Full && !self.is_spent(slot);
            let may = is_held && extent.lane == lane && may_be_replaced(extent, rank);
            may.then_some((rank, at))
        });
        replaceable.max().map(|(_, at)| at)
    }

    /// The extent with which reading ahead begins.
    pub(super) fn first(&self) -> usize {
        self.cursor.saturating_sub(LOOK_BACK)
    }

    /// How far away the use of an extent is believed to be.
    fn rank(&self, extent: usize) -> usize {
        let num = self.extents.len().max(1);
        (extent + num - self.first()) % num
    }

    /// Slots that nobody fills, uses or is about to use.
    fn open(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let is_waited_for = |slot: &Slot| {
            let extent = self.extent(slot);
            slot.phase == Phase::Full && extent.is_some_and(|extent| extent.waiting > 0)
        };
        let slots = self.slots.iter().enumerate();
        slots.filter(move |(_, slot)| {
            slot.phase != Phase::Filling && slot.users == 0 && !is_waited_for(slot)
        })
    }

    fn is_spent(&self, slot: &Slot) -> bool {
        let extent = self.extent(slot);
        extent.is_none_or(|extent| extent.unasked == 0 && extent.wanted == 0)
    }

    fn extent(&self, slot: &Slot) -> Option<&ExtentState> {
        self.extents.get(slot.extent)
    }
}
