//! Decoding on a device, overlapped: threads read extents of the file into a ring of slots, check and plan their parts
//! and have them copied; whoever asks for a tensor enqueues the decoding of its parts and goes on. What is asked for is
//! guessed to be what lies behind the last in the file; what models [use last](last) is read when it is asked for, or
//! when nothing else is left to read.
//!
//! Nothing here knows CUDA, and nothing holds one slot while it waits for another, so no order of calls can block.
//! Locks are taken in the order slot, lane; the schedule's is never held while another is taken or a device is waited
//! for, and callbacks are called while none is held.

mod budget;
mod enqueue;
mod lane;
mod last;
mod latch;
mod layout;
mod machine;
mod report;
mod schedule;
mod session;
mod sessions;
mod shared;
mod slot;

pub(crate) use budget::Budget;
#[cfg(feature = "cuda")]
pub(crate) use last::lane_of;
pub(crate) use latch::Fault;
pub(crate) use layout::LaneOf;
#[cfg(feature = "cuda")]
pub(crate) use machine::{Arguments, Staging, Stream};
pub(crate) use machine::{Lane, Machine};
pub(crate) use report::OnWhole;
pub(crate) use session::Session;
pub(crate) use sessions::Sessions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wcodec::Reader;
use wcodec_kernels::Element;

/// What the sessions of a file have in common.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) reader: Arc<Reader>,
    /// Of each session.
    pub(crate) budget: Budget,
    pub(crate) lane_of: LaneOf,
    /// Threads of each session that read.
    pub(crate) num_readers: usize,
    pub(crate) on_whole: Option<OnWhole>,
}

/// Where a tensor goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Device address of its first element, aligned to 256. Whoever decodes there sees to it that as many elements as
    /// the tensor has are allocated, until the lane is past them or drained.
    pub(crate) address: u64,
    pub(crate) element: Element,
    /// Bytes of an element as it is stored and as it comes out; the same for packed ones.
    pub(crate) stored_bytes: u64,
    pub(crate) output_bytes: u64,
    /// As [`Setup::lane_of`] says.
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
