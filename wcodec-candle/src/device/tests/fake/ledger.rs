//! How a device misbehaves, and what is noted of it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wcodec::ErrorKind;

/// What a failing call says.
const INJECTED: i32 = 700;

/// How a device misbehaves.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::device::tests) struct Behaviour {
    /// What each thing that a stream does takes.
    pub(in crate::device::tests) delay: Duration,
    /// The call that fails, counted from 0.
    pub(in crate::device::tests) fails_at: Option<usize>,
    /// Whether every call after it fails as well.
    pub(in crate::device::tests) is_lost: bool,
    /// The thing done on a stream that fails, counted from 0; the device is lost then.
    pub(in crate::device::tests) faults_at: Option<usize>,
    /// The first chunk that a kernel cannot decode, counted over all.
    pub(in crate::device::tests) bad_chunk: Option<u64>,
    /// The kernels refuse each part whose number is a multiple of this.
    pub(in crate::device::tests) refuses: Option<usize>,
    /// Whether the real kernels decode, on the emulator.
    pub(in crate::device::tests) emulates: bool,
}

/// What outlives the device, to be looked at in the end.
#[derive(Debug, Default)]
pub(in crate::device::tests) struct Ledger {
    pub(in crate::device::tests) live: AtomicUsize,
    pub(in crate::device::tests) live_bytes: AtomicUsize,
    pub(in crate::device::tests) peak_bytes: AtomicUsize,
    pub(in crate::device::tests) calls: AtomicUsize,
    pub(in crate::device::tests) done: AtomicUsize,
    pub(in crate::device::tests) violations: Mutex<Vec<String>>,
    pub(super) is_lost: AtomicBool,
    pub(super) chunks: AtomicU64,
    pub(super) refusals: AtomicUsize,
}

impl Ledger {
    pub(super) fn violation(&self, what: &str) {
        self.violations.lock().unwrap().push(what.into());
    }

    pub(super) fn lost() -> wcodec::Error {
        let what = "the fake";
        ErrorKind::Device {
            what,
            code: INJECTED,
        }
        .into()
    }
}

/// Counts as alive, and as in use while work on it is pending.
#[derive(Debug)]
pub(super) struct Counted {
    ledger: Arc<Ledger>,
    pub(super) bytes: usize,
    pending: Arc<AtomicUsize>,
}

impl Counted {
    pub(super) fn new(ledger: &Arc<Ledger>, bytes: usize) -> Self {
        ledger.live.fetch_add(1, SeqCst);
        let now = ledger.live_bytes.fetch_add(bytes, SeqCst) + bytes;
        ledger.peak_bytes.fetch_max(now, SeqCst);
        Self {
            ledger: Arc::clone(ledger),
            bytes,
            pending: Arc::default(),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.pending.load(SeqCst) > 0 {
            self.ledger.violation("freed while work on it was pending");
        }
        self.ledger.live.fetch_sub(1, SeqCst);
        self.ledger.live_bytes.fetch_sub(self.bytes, SeqCst);
    }
}

/// Work that is pending until this is dropped.
pub(super) struct Pending(Vec<Arc<AtomicUsize>>);

impl Pending {
    pub(super) fn on(counted: &[&Counted]) -> Self {
        let all: Vec<_> = counted
            .iter()
            .map(|counted| Arc::clone(&counted.pending))
            .collect();
        all.iter()
            .for_each(|pending| _ = pending.fetch_add(1, SeqCst));
        Self(all)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0
            .iter()
            .for_each(|pending| _ = pending.fetch_sub(1, SeqCst));
    }
}
