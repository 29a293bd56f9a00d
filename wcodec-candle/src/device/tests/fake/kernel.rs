//! What a stream's thread does: kernels that ask the CPU decoder, or the real ones on the emulator.
#![expect(unsafe_code, reason = "kernels on the emulator are given addresses")]

use super::ledger::{Behaviour, Ledger};
use super::{Job, Output};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use wcodec::{Reader, TensorId};
use wcodec_kernels::{Element, Work, emulation};

/// A record of the fake's work: tensor, part, payload, output, element, status, chunks.
pub(super) const RECORD_BYTES: usize = 56;

/// What the jobs of a stream need.
pub(super) struct Kernel {
    pub(super) ledger: Arc<Ledger>,
    pub(super) reader: Arc<Reader>,
    pub(super) outputs: Arc<Mutex<BTreeMap<u64, Output>>>,
    pub(super) works: Arc<Mutex<Vec<Work>>>,
    pub(super) behaviour: Behaviour,
}

impl Kernel {
    /// Does a job, late. On a lost device only events are over, and what waits for them learns of it.
    pub(super) fn run(&self, job: Job) {
        std::thread::sleep(self.behaviour.delay);
        let at = self.ledger.done.fetch_add(1, SeqCst);
        if self.behaviour.faults_at == Some(at) {
            self.ledger.is_lost.store(true, SeqCst);
        }
        if catch_unwind(AssertUnwindSafe(|| job(self))).is_err() {
            self.ledger.violation("a stream panicked");
        }
    }

    /// Runs a work list on the emulator, as it came to the device.
    pub(super) fn emulate(&self, at: usize, bytes: &[u8], payload: &[u8], statuses: &mut [u8]) {
        let work = self.works.lock().unwrap()[at].clone();
        assert!(
            bytes[..work.bytes.len()] == *work.bytes,
            "another work list than the one that was enqueued"
        );
        let payload = emulation::Memory::from_bytes(payload).unwrap();
        let schedule = emulation::Schedule::Random(at as u64);
        // SAFETY: outputs live as long as the device, and nobody reads them before a lane is settled.
        let codes = unsafe { emulation::run(&work, &payload, schedule) };
        match codes {
            Ok(codes) => {
                let to = statuses.chunks_exact_mut(4);
                to.zip(codes)
                    .for_each(|(to, code)| to.copy_from_slice(&code.to_le_bytes()));
            }
            Err(error) => self.ledger.violation(&error),
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.ledger.is_lost.load(SeqCst)
    }

    /// Decodes what one record says. The payload must be the file's, in full.
    pub(super) fn decode(&self, record: &[u8], payload: &[u8], statuses: &mut [u8]) {
        let number = |at: usize| u64::from_le_bytes(record[at * 8..][..8].try_into().unwrap());
        let size = |at: usize| usize::try_from(number(at)).unwrap();
        let reader = &self.reader;
        let id = reader.ids().nth(size(0)).unwrap();
        let part = reader.parts(id).swap_remove(size(1));
        let mut expected = vec![0; usize::try_from(part.file.end - part.file.start).unwrap()];
        reader.read_at(part.file.start, &mut expected).unwrap();
        if payload[size(2)..][..expected.len()] != expected {
            self.ledger
                .violation("a kernel found another payload than the file's");
        }
        let decoded = decode_part(reader, id, &part.raw, number(4));
        let outputs = self.outputs.lock().unwrap();
        let (base, memory) = outputs.range(..=number(3)).next_back().unwrap();
        let offset = usize::try_from(number(3) - base).unwrap();
        memory.lock().unwrap()[offset..][..decoded.len()].copy_from_slice(&decoded);
        for chunk in 0..size(6) {
            let at = self.ledger.chunks.fetch_add(1, SeqCst);
            let status = u32::from(self.behaviour.bad_chunk == Some(at));
            statuses[(size(5) + chunk) * 4..][..4].copy_from_slice(&status.to_le_bytes());
        }
    }
}

/// A tensor as the CPU decoder gives it.
pub(in crate::device::tests) fn decode(reader: &Reader, id: TensorId, element: u64) -> Vec<u8> {
    let info = reader.info(id);
    let num_elems = usize::try_from(info.num_elems()).unwrap();
    if element == Element::Same as u64 {
        let mut bytes = vec![0; usize::try_from(info.raw_bytes).unwrap()];
        reader.decode_bytes(id, &mut bytes).unwrap();
        return bytes;
    }
    let mut floats = vec![0f32; num_elems];
    reader.decode_floats(id, &mut floats).unwrap();
    bytemuck::cast_slice(&floats).to_vec()
}

/// Bytes of a tensor of one dimension, likewise: only those that are asked for if they come out as they are stored, so
/// that damage elsewhere does not matter.
fn decode_part(reader: &Reader, id: TensorId, raw: &Range<u64>, element: u64) -> Vec<u8> {
    let info = reader.info(id);
    let elem_bytes = info.raw_bytes / info.num_elems();
    let len = |bytes: u64| usize::try_from(bytes).unwrap();
    if element == Element::Same as u64 {
        let mut bytes = vec![0; len(raw.end - raw.start)];
        let rows = raw.start / elem_bytes..raw.end / elem_bytes;
        reader.decode_rows(id, rows, &mut bytes).unwrap();
        return bytes;
    }
    let whole = decode(reader, id, element);
    let scale = |at: u64| len(at / elem_bytes) * size_of::<f32>();
    whole[scale(raw.start)..scale(raw.end)].to_vec()
}
