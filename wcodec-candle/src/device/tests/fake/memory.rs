//! Memory and events of the fake.

use super::ledger::Counted;
use crate::device::machine::Staging;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use wcodec_kernels::emulation;

pub(super) type Landed = Arc<Mutex<Vec<(Range<usize>, Vec<u8>)>>>;

pub(in crate::device::tests) struct FakeStaging {
    pub(super) bytes: Vec<u8>,
    /// Counts the times that the host may have written.
    pub(super) writes: Arc<AtomicU64>,
    /// What the device has written.
    pub(super) landed: Landed,
    pub(super) counted: Counted,
}

impl Staging for FakeStaging {
    fn bytes(&mut self) -> &[u8] {
        for (range, bytes) in self.landed.lock().unwrap().drain(..) {
            self.bytes[range].copy_from_slice(&bytes);
        }
        &self.bytes
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.writes.fetch_add(1, SeqCst);
        self.bytes();
        &mut self.bytes
    }
}

type Memory = Arc<Mutex<Vec<u8>>>;
/// A tensor's memory: its address is one, for the emulator.
pub(in crate::device::tests) type Output = Arc<Mutex<emulation::Memory>>;

pub(in crate::device::tests) struct FakeBuffer {
    pub(super) memory: Memory,
    pub(super) counted: Counted,
}

pub(in crate::device::tests) struct FakeEvent {
    pub(super) over: Arc<(Mutex<bool>, Condvar)>,
    pub(super) _counted: Counted,
}
