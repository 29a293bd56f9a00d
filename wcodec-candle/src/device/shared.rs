//! What a session's threads share with those that ask for tensors.

use super::lane::LaneState;
use super::layout::{Group, Layout};
use super::lock;
use super::machine::Machine;
use super::report::Report;
use super::schedule::{Claim, Fill, Schedule};
use super::slot::{Slot, out_of_place};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use wcodec::{ErrorKind, Reader, Result};

pub(super) struct Shared<M: Machine> {
    pub(super) reader: Arc<Reader>,
    pub(super) layout: Layout,
    pub(super) schedule: Mutex<Schedule>,
    /// Notified when the schedule changes in a way that somebody may wait for.
    pub(super) changed: Condvar,
    pub(super) report: Report,
    pub(super) slots: Vec<Slot<M>>,
    pub(super) lanes: [Mutex<LaneState<M>>; 2],
    /// That a launch on a lane may take.
    pub(super) scratch_bytes: usize,
    /// Behind the memory, which it frees.
    pub(super) machine: Arc<M>,
}

/// Counts as a tensor that is being enqueued.
pub(super) struct Active<'a, M: Machine> {
    shared: &'a Shared<M>,
    /// Whether the session was closed before.
    pub(super) came_late: bool,
}

impl<'a, M: Machine> Active<'a, M> {
    pub(super) fn new(shared: &'a Shared<M>) -> Self {
        let mut schedule = shared.lock();
        schedule.active += 1;
        schedule.begun = schedule.begun.wrapping_add(1);
        Self {
            shared,
            came_late: schedule.is_closed,
        }
    }
}

impl<M: Machine> Drop for Active<'_, M> {
    fn drop(&mut self) {
        self.shared.lock().active -= 1;
        self.shared.changed.notify_all();
    }
}

/// What a tensor still comes to: it may be read now, even if it is used last.
pub(super) struct Wanted<'a, M: Machine> {
    shared: &'a Shared<M>,
    rest: std::slice::Iter<'a, Group>,
}

impl<'a, M: Machine> Wanted<'a, M> {
    pub(super) fn new(shared: &'a Shared<M>, groups: &'a [Group]) -> Self {
        shared.lock().want(groups);
        Self {
            shared,
            rest: groups.iter(),
        }
    }

    /// The next group, to be [claimed](Shared::claim), which ends its being wanted.
    pub(super) fn pass(&mut self) -> Option<&'a Group> {
        self.rest.next()
    }
}

impl<M: Machine> Drop for Wanted<'_, M> {
    fn drop(&mut self) {
        let mut schedule = self.shared.lock();
        for group in self.rest.by_ref() {
            schedule.unwant(group.extent);
        }
        drop(schedule);
        self.shared.changed.notify_all();
    }
}

/// A slot that is claimed.
pub(super) struct Claimed<'a, M: Machine> {
    shared: &'a Shared<M>,
    pub(super) slot: usize,
    extent: usize,
}

impl<M: Machine> Drop for Claimed<'_, M> {
    fn drop(&mut self) {
        let mut schedule = self.shared.lock();
        schedule.release(self.slot);
        schedule.unwant(self.extent);
        drop(schedule);
        self.shared.changed.notify_all();
    }
}

impl<M: Machine> Shared<M> {
    /// What a reader does until the session closes.
    pub(super) fn read_ahead(&self) {
        loop {
            let mut schedule = self.lock();
            let fill = loop {
                if schedule.is_closed {
                    return;
                }
                match schedule.next_read() {
                    Some(fill) => break fill,
                    None => schedule = self.wait(schedule),
                }
            };
            drop(schedule);
            let _ = self.fill(fill); // who needs the extent meets the error again
        }
    }

    /// Fills a slot and reports it. A source that panics fails it.
    fn fill(&self, fill: Fill) -> Result<()> {
        let filled = catch_unwind(AssertUnwindSafe(|| {
            let slot = self.slots.get(fill.slot).ok_or_else(out_of_place)?;
            let extent = self.extent(fill.extent)?;
            lock(&slot.content).fill(&*self.machine, &self.reader, extent, &slot.payload)
        }));
        let panicked = |_| {
            let what = "reading panicked";
            Err(ErrorKind::InvalidArgument { what }.into())
        };
        let filled = filled.unwrap_or_else(panicked);
        self.lock().filled(fill, filled.is_ok());
        self.changed.notify_all();
        filled
    }

    /// A slot with an extent in it: the one it lies in, or one it is read into now.
    pub(super) fn claim(&self, group: &Group) -> Result<Claimed<'_, M>> {
        let mut schedule = self.lock();
        schedule.ask(group.extent, group.members.clone());
        self.changed.notify_all(); // what to read ahead may have changed
        loop {
            match schedule.claim(group.extent) {
                Claim::Ready(slot) => {
                    return Ok(Claimed {
                        shared: self,
                        slot,
                        extent: group.extent,
                    });
                }
                Claim::Wait => schedule = self.wait(schedule),
                Claim::Fill(fill) => {
                    drop(schedule);
                    let filled = self.fill(fill);
                    schedule = self.lock();
                    if let Err(error) = filled {
                        schedule.leave(group.extent);
                        schedule.unwant(group.extent);
                        drop(schedule);
                        self.changed.notify_all();
                        return Err(error);
                    }
                }
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    pub(super) fn wait<'a>(&self, schedule: MutexGuard<'a, Schedule>) -> MutexGuard<'a, Schedule> {
        self.changed
            .wait(schedule)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
