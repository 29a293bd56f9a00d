//! Decoding on a device, overlapped: threads read extents of the file into a ring of slots, check and plan their parts
//! and have them copied; whoever asks for a tensor enqueues the decoding of its parts and goes on. What is asked for is
//! guessed to be what lies behind the last in the file.
//!
//! Nothing here knows CUDA, and nothing holds one slot while it waits for another, so no order of calls can block.
//! Locks are taken in the order slot, lane; the schedule's is never held while another is taken or a device is waited
//! for.

mod budget;
mod enqueue;
mod lane;
mod latch;
mod layout;
mod machine;
mod schedule;
mod slot;

pub(crate) use budget::Budget;
pub(crate) use latch::Fault;
#[cfg(feature = "cuda")]
pub(crate) use machine::Arguments;
#[cfg(feature = "cuda")]
pub(crate) use machine::Staging;
pub(crate) use machine::{Lane, Machine, Stream};

use lane::LaneState;
use latch::Latch;
use layout::{Group, Layout};
use schedule::{Claim, Fill, Schedule};
use slot::{Slot, out_of_place};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use wcodec::{Error, ErrorKind, Reader, Result, TensorId};
use wcodec_kernels::Element;

/// Where a tensor goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Device address of its first element, aligned to 256.
    pub(crate) address: u64,
    pub(crate) element: Element,
    /// Bytes of an element as it is stored and as it comes out; the same for packed ones.
    pub(crate) stored_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) lane: Lane,
}

/// What became of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its decoding is enqueued on its lane.
    Enqueued,
    /// It has to be decoded on the host. Nothing writes to the target any more.
    LeftToHost,
}

/// The threads and the memory of one device while a model loads.
pub(crate) struct Session<M: Machine> {
    shared: Arc<Shared<M>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared<M: Machine> {
    reader: Arc<Reader>,
    layout: Layout,
    schedule: Mutex<Schedule>,
    /// Notified when the schedule changes in a way that somebody may wait for.
    changed: Condvar,
    latch: Latch,
    slots: Vec<Slot<M>>,
    lanes: [Mutex<LaneState<M>>; 2],
    /// Behind the memory, which it frees.
    machine: Arc<M>,
}

impl<M: Machine> Session<M> {
    /// Allocates the ring and starts `num_readers` threads, which begin to read.
    ///
    /// # Errors
    ///
    /// No memory on the host or on the device, no threads.
    pub(crate) fn open(
        machine: Arc<M>,
        reader: Arc<Reader>,
        budget: &Budget,
        num_readers: usize,
    ) -> Result<Self> {
        let layout = Layout::new(&reader, budget.slot_bytes);
        let slots = (0..budget.num_slots).map(|_| Slot::new(&*machine, budget.slot_bytes));
        let lane = |lane| Ok::<_, Error>(Mutex::new(LaneState::new(&*machine, lane, budget)?));
        let [layers, last] = Lane::ALL.map(lane);
        let shared = Arc::new(Shared {
            schedule: Mutex::new(Schedule::new(&layout, budget.num_slots)),
            changed: Condvar::new(),
            latch: Latch::default(),
            slots: slots.collect::<Result<_>>()?,
            lanes: [layers?, last?],
            machine,
            layout,
            reader,
        });
        let session = Self {
            shared,
            readers: Mutex::new(Vec::new()),
        };
        for index in 0..num_readers {
            let shared = Arc::clone(&session.shared);
            let thread = std::thread::Builder::new().name(format!("wcodec-read-{index}"));
            let handle = thread.spawn(move || shared.read_ahead())?;
            lock(&session.readers).push(handle);
        }
        Ok(session)
    }

    /// Enqueues the decoding of a tensor. The memory at the target is written when the lane gets there.
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
        let _active = Active::new(shared);
        for lane in &shared.lanes {
            let polled = lock(lane).poll(&shared.machine, &shared.reader, &shared.latch);
            polled.map_err(|error| shared.place(error, id))?;
        }
        shared.latch.check()?;
        let Some(groups) = shared.layout.groups(id) else {
            return Ok(Outcome::LeftToHost);
        };
        let mut outcome = Ok(Outcome::Enqueued);
        for group in groups {
            outcome = shared.decode_group(id, group, target);
            if !matches!(outcome, Ok(Outcome::Enqueued)) {
                // Parts that were enqueued before it would still write.
                let drained = shared.machine.drain(Stream::Lane(target.lane));
                outcome = outcome.and_then(|outcome| drained.map(|()| outcome));
                break;
            }
        }
        Ok(outcome.map_err(|error| shared.place(error, id))?)
    }

    /// Waits until everything on a lane is decoded.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong since the session began.
    pub(crate) fn settle(&self, lane: Lane) -> std::result::Result<(), Fault> {
        let shared = &*self.shared;
        if let Some(lane) = shared.lanes.get(lane.index()) {
            lock(lane).finish(&shared.machine, &shared.reader, &shared.latch)?;
        }
        shared.latch.check()
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
        let shared = &*self.shared;
        shared.lock().is_closed = true;
        shared.changed.notify_all();
        for reader in std::mem::take(&mut *lock(&self.readers)) {
            let _ = reader.join(); // it catches its panics
        }
        let mut schedule = shared.lock();
        while schedule.active > 0 {
            schedule = shared.wait(schedule);
        }
        drop(schedule);
        let mut result = Ok(());
        for lane in &shared.lanes {
            let finished = lock(lane).finish(&shared.machine, &shared.reader, &shared.latch);
            result = result.and(finished);
        }
        result = result.and(shared.machine.drain(Stream::Copy));
        shared.latch.check()?;
        Ok(result?)
    }
}

impl<M: Machine> Drop for Session<M> {
    fn drop(&mut self) {
        // Memory must not be freed under work that uses it. Closed before, this does not wait.
        let _ = self.close();
    }
}

/// Counts as a tensor that is being enqueued.
struct Active<'a, M: Machine>(&'a Shared<M>);

impl<'a, M: Machine> Active<'a, M> {
    fn new(shared: &'a Shared<M>) -> Self {
        shared.lock().active += 1;
        Self(shared)
    }
}

impl<M: Machine> Drop for Active<'_, M> {
    fn drop(&mut self) {
        self.0.lock().active -= 1;
        self.0.changed.notify_all();
    }
}

/// A slot that is claimed.
struct Claimed<'a, M: Machine> {
    shared: &'a Shared<M>,
    slot: usize,
}

impl<M: Machine> Drop for Claimed<'_, M> {
    fn drop(&mut self) {
        self.shared.lock().release(self.slot);
        self.shared.changed.notify_all();
    }
}

impl<M: Machine> Shared<M> {
    /// What a reader does until the session closes.
    fn read_ahead(&self) {
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
    fn claim(&self, group: &Group) -> Result<Claimed<'_, M>> {
        let mut schedule = self.lock();
        schedule.ask(group.extent, group.members.clone());
        self.changed.notify_all(); // what to read ahead may have changed
        loop {
            match schedule.claim(group.extent) {
                Claim::Ready(slot) => return Ok(Claimed { shared: self, slot }),
                Claim::Wait => schedule = self.wait(schedule),
                Claim::Fill(fill) => {
                    drop(schedule);
                    let filled = self.fill(fill);
                    schedule = self.lock();
                    if let Err(error) = filled {
                        schedule.leave(group.extent);
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Adds file and tensor to an error.
    fn place(&self, error: Error, id: TensorId) -> Error {
        let error = error.in_tensor(&self.reader.info(id).name);
        match self.reader.path() {
            Some(path) => error.in_file(path),
            None => error,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    fn wait<'a>(&self, schedule: MutexGuard<'a, Schedule>) -> MutexGuard<'a, Schedule> {
        self.changed
            .wait(schedule)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
