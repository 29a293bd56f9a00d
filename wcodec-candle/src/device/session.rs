//! One load on one device, from its first read to its last status.

use super::lane::LaneState;
use super::latch::Fault;
use super::layout::Layout;
use super::machine::{Lane, Machine, Stream};
use super::report::{Load, Report};
use super::schedule::Schedule;
use super::shared::{Active, Shared, Wanted};
use super::slot::Slot;
use super::{Outcome, Setup, Target, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, TryLockError};
use std::thread::JoinHandle;
use wcodec::{Error, Result, TensorId};

/// The threads and the memory of one device while a model loads.
///
/// Dropped, it waits until nothing uses that memory any more. An error that no call returned is printed then.
pub(crate) struct Session<M: Machine> {
    shared: Arc<Shared<M>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

impl<M: Machine> Session<M> {
    /// Allocates the ring and starts the threads, which begin to read.
    ///
    /// # Errors
    ///
    /// No memory on the host or on the device, no threads.
    pub(crate) fn open(machine: Arc<M>, setup: &Setup) -> Result<Self> {
        let budget = &setup.budget;
        let layout = Layout::new(&setup.reader, budget.slot_bytes, setup.lane_of);
        let slots = (0..budget.num_slots).map(|_| Slot::new(&*machine, budget.slot_bytes));
        let lane = |lane| Ok::<_, Error>(Mutex::new(LaneState::new(&*machine, lane, budget)?));
        let [layers, last] = Lane::ALL.map(lane);
        let shared = Arc::new(Shared {
            schedule: Mutex::new(Schedule::new(&layout, budget.num_slots)),
            changed: Condvar::new(),
            report: Report::new(&setup.reader, setup.on_whole.clone()),
            slots: slots.collect::<Result<_>>()?,
            lanes: [layers?, last?],
            scratch_bytes: budget.scratch_bytes,
            machine,
            layout,
            reader: Arc::clone(&setup.reader),
        });
        let session = Self {
            shared,
            readers: Mutex::new(Vec::new()),
        };
        for index in 0..setup.num_readers {
            let shared = Arc::clone(&session.shared);
            let thread = std::thread::Builder::new().name(format!("wcodec-read-{index}"));
            let handle = thread.spawn(move || shared.read_ahead())?;
            lock(&session.readers).push(handle);
        }
        Ok(session)
    }

    /// Its device.
    #[cfg(feature = "cuda")]
    pub(crate) fn machine(&self) -> &Arc<M> {
        &self.shared.machine
    }

    /// Enqueues the decoding of a tensor. The memory at the target is written when the lane gets there; in a session
    /// that is closed, before this returns.
    ///
    /// # Errors
    ///
    /// What an earlier tensor's decoding has failed with since; damage and what reading meets; the device's. Nothing
    /// writes to the target any more then.
    pub(crate) fn decode(
        &self,
        id: TensorId,
        target: &Target,
    ) -> std::result::Result<Outcome, Fault> {
        let shared = &*self.shared;
        let active = Active::new(shared);
        let mut decoded = self.enqueue(id, target);
        if active.came_late && decoded.is_ok() {
            // Who closed it does not wait for this tensor, and nobody else would be told of its errors.
            let settled = lock_lane(shared, target.lane, |lane| {
                lane.finish(&*shared.machine, &shared.report)
            });
            let placed = settled.map_err(|error| Fault::from(shared.report.place(error, id)));
            decoded = placed.and(shared.report.check()).and(decoded);
        }
        drop(active);
        decoded
    }

    /// Tells of the tensors that are whole by now. To be called where a panic of who is told does no harm: not while
    /// memory is written that would be freed then.
    pub(crate) fn tell(&self) {
        self.shared.report.tell();
    }

    fn enqueue(&self, id: TensorId, target: &Target) -> std::result::Result<Outcome, Fault> {
        let (shared, report) = (&*self.shared, &self.shared.report);
        for lane in &shared.lanes {
            let mut lane = match lane.try_lock() {
                Ok(lane) => lane,
                Err(TryLockError::Poisoned(lane)) => lane.into_inner(),
                // Who has it may wait for it, and looks at its statuses.
                Err(TryLockError::WouldBlock) => continue,
            };
            let polled = lane.poll(&shared.machine, report);
            polled.map_err(|error| report.place(error, id))?;
        }
        report.check()?;
        let Some(groups) = shared.layout.groups(id) else {
            return Ok(Outcome::LeftToHost);
        };
        let load = Load::new(id);
        let mut wanted = Wanted::new(shared, groups);
        let mut outcome = Ok(Outcome::Enqueued);
        while let Some(group) = wanted.pass() {
            outcome = shared.decode_group(&load, group, target);
            if !matches!(outcome, Ok(Outcome::Enqueued)) {
                // Parts that were enqueued before it would still write.
                let drained = shared.machine.drain(Stream::Lane(target.lane));
                outcome = outcome.and_then(|outcome| drained.map(|()| outcome));
                break;
            }
        }
        if matches!(outcome, Ok(Outcome::Enqueued)) {
            report.over(&load);
        }
        Ok(outcome.map_err(|error| report.place(error, id))?)
    }

    /// Waits until everything on a lane is decoded.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong since the session began.
    pub(crate) fn settle(&self, lane: Lane) -> std::result::Result<(), Fault> {
        let shared = &*self.shared;
        let settled = lock_lane(shared, lane, |lane| {
            lane.finish(&*shared.machine, &shared.report)
        });
        if let Err(error) = settled {
            shared.report.fail(shared.report.in_file(error));
        }
        shared.report.tell();
        shared.report.check()
    }

    /// Counts every tensor as not asked for.
    pub(crate) fn forget_asked(&self) {
        self.shared.lock().forget_asked();
        self.shared.changed.notify_all();
    }

    /// Ends the threads and waits for everything that was enqueued. The memory is freed when the session is dropped.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong since the session began.
    pub(crate) fn close(&self) -> std::result::Result<(), Fault> {
        self.end();
        self.shared.report.tell();
        self.shared.report.check()
    }

    /// Ends the threads, waits, and keeps the first error. What is drained is not drained again.
    fn end(&self) {
        let shared = &*self.shared;
        let mut schedule = shared.lock();
        if schedule.drained == Some(schedule.begun) {
            return;
        }
        schedule.is_closed = true;
        drop(schedule);
        shared.changed.notify_all();
        for reader in std::mem::take(&mut *lock(&self.readers)) {
            let _ = reader.join(); // it catches its panics
        }
        let mut schedule = shared.lock();
        while schedule.active > 0 {
            schedule = shared.wait(schedule);
        }
        let begun = schedule.begun;
        drop(schedule);
        let mut result = Ok(());
        for lane in &shared.lanes {
            let finished = lock(lane).finish(&shared.machine, &shared.report);
            result = result.and(finished);
        }
        result = result.and(shared.machine.drain(Stream::Copy));
        match result {
            Err(error) => shared.report.fail(shared.report.in_file(error)),
            Ok(()) => shared.lock().drained = Some(begun),
        }
    }
}

impl<M: Machine> Drop for Session<M> {
    fn drop(&mut self) {
        // Memory must not be freed under work that uses it. Closed before, this does not wait.
        self.end();
        if let Some(fault) = self.shared.report.untold() {
            fault.print(
                "found when no caller was left to be told; WcodecLoader::finish returns such an error",
            );
        }
        // A callback may panic, and this may be dropped because another did.
        let _ = catch_unwind(AssertUnwindSafe(|| self.shared.report.tell()));
    }
}

/// Does something with a lane, locked.
fn lock_lane<M: Machine>(
    shared: &Shared<M>,
    lane: Lane,
    with: impl FnOnce(&mut LaneState<M>) -> Result<()>,
) -> Result<()> {
    match shared.lanes.get(lane.index()) {
        Some(lane) => with(&mut lock(lane)),
        None => Ok(()),
    }
}
