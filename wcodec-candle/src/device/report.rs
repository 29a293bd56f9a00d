//! What a session learns of tensors after they were handed out: which are whole, and the first error.

use super::latch::{Fault, Latch};
use super::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use wcodec::{Error, Reader, TensorId};

/// Told of each tensor that is whole, and when its decoding began. It may be called while other threads call it.
pub(crate) type OnWhole = Arc<dyn Fn(TensorId, Instant) + Send + Sync>;

/// What was learned and whom to tell.
pub(super) struct Report {
    reader: Arc<Reader>,
    latch: Latch,
    /// Whole, and nobody was told yet.
    whole: Mutex<VecDeque<(TensorId, Instant)>>,
    on_whole: Option<OnWhole>,
}

/// A tensor on its way.
#[derive(Debug)]
pub(super) struct Load {
    /// As it was asked for.
    pub(super) id: TensorId,
    begin: Instant,
    /// Sequences of launches that are not over, and one more until all are enqueued.
    left: AtomicUsize,
    is_bad: AtomicBool,
}

impl Load {
    /// Its decoding begins now.
    pub(super) fn new(id: TensorId) -> Arc<Self> {
        Arc::new(Self {
            id,
            begin: Instant::now(),
            left: AtomicUsize::new(1),
            is_bad: AtomicBool::new(false),
        })
    }

    /// Notes a sequence that was enqueued.
    pub(super) fn enqueued(&self) {
        self.left.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that some of it could not be decoded.
    pub(super) fn spoil(&self) {
        self.is_bad.store(true, Ordering::SeqCst);
    }
}

impl Report {
    pub(super) fn new(reader: &Arc<Reader>, on_whole: Option<OnWhole>) -> Self {
        Self {
            reader: Arc::clone(reader),
            latch: Latch::default(),
            whole: Mutex::default(),
            on_whole,
        }
    }

    /// Notes that a sequence is over, or that all are enqueued: after the last of these the tensor is whole.
    pub(super) fn over(&self, load: &Load) {
        let is_last = load.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last && !load.is_bad.load(Ordering::SeqCst) && self.on_whole.is_some() {
            lock(&self.whole).push_back((load.id, load.begin));
        }
    }

    /// Tells of the tensors that are whole. No lock may be held: who is told may ask for tensors.
    pub(super) fn tell(&self) {
        let next = || lock(&self.whole).pop_front();
        if let Some(on_whole) = &self.on_whole {
            // One at a time: who is told may panic, and the others are for the next call then.
            while let Some((id, begin)) = next() {
                on_whole(id, begin);
            }
        }
    }

    /// Keeps an error of a tensor that was handed out, if it is the first.
    pub(super) fn fail(&self, error: Error) {
        self.latch.set(error);
    }

    /// # Errors
    ///
    /// The first one kept.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.latch.check()
    }

    /// The first error kept, if no call returned it.
    pub(super) fn untold(&self) -> Option<Fault> {
        self.latch.untold()
    }

    /// Adds file and tensor to an error.
    pub(super) fn place(&self, error: Error, id: TensorId) -> Error {
        self.in_file(error.in_tensor(&self.reader.info(id).name))
    }

    /// Adds the file to an error of no tensor in particular.
    pub(super) fn in_file(&self, error: Error) -> Error {
        match self.reader.path() {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}
