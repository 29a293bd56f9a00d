//! Files to load, and how a test asks for their tensors.

use super::fake::{Fake, Ledger, Output, decode};
use crate::device::{Budget, Fault, Lane, OnWhole, Outcome, Session, Setup, Target};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use wcodec::{Limits, ReadAt, Reader, TensorId, TensorInfo};
use wcodec_kernels::Element;

pub(super) use super::fake::Behaviour;

pub(super) const SLOW: Behaviour = Behaviour {
    delay: Duration::from_micros(300),
    fails_at: None,
    is_lost: false,
    faults_at: None,
    bad_chunk: None,
    refuses: None,
    emulates: false,
};

/// A ring that every test has to go around several times.
pub(super) const SMALL: Budget = Budget {
    slot_bytes: 128 << 10,
    num_slots: 2,
    block_bytes: 1 << 10,
    num_blocks: 2,
    scratch_bytes: 8 << 10,
};

/// Heads that are not the embedding, each of them more than half a slot of [`SMALL`].
pub(super) const NUM_HEADS: usize = 2;

/// Tensors of a few kinds and sizes, one of them twice, as the bytes of a `.wcodec` file.
pub(super) fn file(layers: usize) -> Vec<u8> {
    let mut tensors: Vec<(String, Dtype, usize)> = vec![("embed".into(), Dtype::BF16, 40_000)];
    for layer in 0..layers {
        tensors.push((format!("layers.{layer}.norm"), Dtype::F32, 64));
        tensors.push((format!("layers.{layer}.q"), Dtype::BF16, 30_000 + layer));
        tensors.push((format!("layers.{layer}.codes"), Dtype::U8, 5_000));
        tensors.push((format!("layers.{layer}.scale"), Dtype::F16, 1));
    }
    tensors.push(("lm_head".into(), Dtype::BF16, 40_000)); // the embedding again
    for head in 1..=NUM_HEADS {
        tensors.push((format!("lm_head.{head}"), Dtype::BF16, 55_000 + head));
    }
    tensors.push(("nothing".into(), Dtype::BF16, 0));
    encode(&tensors)
}

/// Encodes tensors of so many elements; those of the same type and size are duplicates.
pub(super) fn encode(tensors: &[(String, Dtype, usize)]) -> Vec<u8> {
    let drawn = tensors.iter();
    let drawn = drawn.map(|(name, dtype, len)| (name.as_str(), *dtype, draw(*dtype, *len)));
    encode_bytes(&drawn.collect::<Vec<_>>())
}

/// Encodes tensors of one dimension and these bytes.
pub(in crate::device) fn encode_bytes(tensors: &[(&str, Dtype, Vec<u8>)]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, bytes)| {
        let len = bytes.len() * 8 / dtype.bitsize();
        (*name, TensorView::new(*dtype, vec![len], bytes).unwrap())
    });
    let folder = tempfile::tempdir().unwrap();
    let [source, target] = ["m.safetensors", "m.wcodec"].map(|name| folder.path().join(name));
    safetensors::serialize_to_file(views, None, &source).unwrap();
    let options = wcodec::checkpoint::ImportOptions::default();
    wcodec::checkpoint::import(&source, &target, &options).unwrap();
    std::fs::read(target).unwrap()
}

/// Elements that are the same for the same type and number.
fn draw(dtype: Dtype, len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ len as u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let weight = |noise: u64| (f32::from(u16::try_from(noise >> 48).unwrap()) - 32768.0) / 1e6;
    let element = |noise: u64| match dtype {
        Dtype::BF16 => half::bf16::from_f32(weight(noise)).to_le_bytes().to_vec(),
        Dtype::F16 => half::f16::from_f32(weight(noise)).to_le_bytes().to_vec(),
        Dtype::F32 => weight(noise).to_le_bytes().to_vec(),
        _ => vec![noise.to_le_bytes()[7] & 15],
    };
    (0..len).flat_map(|_| element(noise())).collect()
}

/// A file that can change while it is read.
#[derive(Clone)]
pub(in crate::device) struct Source {
    pub(super) bytes: Arc<RwLock<Vec<u8>>>,
    /// Reading at this offset or behind it panics.
    pub(super) panics_from: u64,
    /// Where each read of a payload began.
    pub(super) reads: Arc<Mutex<Vec<u64>>>,
}

impl Source {
    pub(in crate::device) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Arc::new(RwLock::new(bytes)),
            panics_from: u64::MAX,
            reads: Arc::default(),
        }
    }

    pub(in crate::device) fn reader(&self) -> Arc<Reader> {
        Arc::new(Reader::new(self.clone(), &Limits::default()).unwrap())
    }
}

impl ReadAt for Source {
    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.bytes.read().unwrap().len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self
            .bytes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let is_index = buf.len() < 4096 || offset == 0;
        assert!(
            is_index || offset < self.panics_from,
            "a source that panics"
        );
        if !is_index {
            self.reads.lock().unwrap().push(offset);
        }
        bytes.as_slice().read_exact_at(buf, offset)
    }
}

pub(super) fn all(reader: &Reader) -> Vec<TensorId> {
    reader.ids().collect()
}

/// The lane of a tensor by its name alone: heads of tests are small.
pub(super) fn lane_of(info: &TensorInfo) -> Lane {
    match info.name.starts_with("lm_head") {
        true => Lane::Last,
        false => Lane::Layers,
    }
}

/// What sessions of a file have in common, with two threads that read.
pub(super) fn setup(reader: &Arc<Reader>, budget: &Budget, on_whole: Option<OnWhole>) -> Setup {
    Setup {
        reader: Arc::clone(reader),
        budget: *budget,
        lane_of,
        num_readers: 2,
        on_whole,
    }
}

/// Opens a session with so many threads that read.
pub(super) fn open(
    fake: &Arc<Fake>,
    reader: &Arc<Reader>,
    budget: &Budget,
    num_readers: usize,
) -> wcodec::Result<Session<Fake>> {
    let setup = Setup {
        num_readers,
        ..setup(reader, budget, None)
    };
    Session::open(Arc::clone(fake), &setup)
}

/// What was asked for and what came: no memory where it was left to the host.
pub(super) struct Loaded {
    pub(super) id: TensorId,
    pub(super) element: Element,
    pub(super) memory: Option<Output>,
}

impl Loaded {
    #[track_caller]
    pub(super) fn assert_whole(&self, reader: &Reader) {
        if let Some(memory) = &self.memory {
            let name = &reader.info(self.id).name;
            let expected = decode(reader, self.id, self.element as u64);
            assert!(memory.lock().unwrap()[..] == expected, "{name} differs");
        }
    }
}

impl Loaded {
    /// Waits for it first.
    #[track_caller]
    pub(super) fn assert_whole_after(&self, session: &Session<Fake>, reader: &Reader) {
        session.settle(lane_of(reader.info(self.id))).unwrap();
        self.assert_whole(reader);
    }
}

/// Asks for a tensor, as F32 if it is a float and `widen` says so. Who wants to know is told of those that are whole.
pub(super) fn load(
    session: &Session<Fake>,
    fake: &Fake,
    reader: &Reader,
    id: TensorId,
    widen: bool,
) -> Result<Loaded, Fault> {
    let loaded = enqueue(session, fake, reader, id, widen);
    session.tell();
    loaded
}

/// As [`load`], and nobody is told.
pub(super) fn enqueue(
    session: &Session<Fake>,
    fake: &Fake,
    reader: &Reader,
    id: TensorId,
    widen: bool,
) -> Result<Loaded, Fault> {
    let info = reader.info(id);
    let stored_bytes = (info.raw_bytes / info.num_elems().max(1)).max(1);
    let is_float = info.dtype != wcodec::Dtype::U8;
    let (element, output_bytes) = match widen && is_float {
        true => (Element::F32, 4),
        false => (Element::Same, stored_bytes),
    };
    let (address, memory) = fake.output(usize::try_from(info.num_elems() * output_bytes).unwrap());
    let target = Target {
        address,
        element,
        stored_bytes,
        output_bytes,
        lane: lane_of(info),
    };
    let outcome = session.decode(id, &target)?;
    let memory = (outcome == Outcome::Enqueued).then_some(memory);
    Ok(Loaded {
        id,
        element,
        memory,
    })
}

/// Asserts that nothing is left of a session and its device.
#[track_caller]
pub(super) fn assert_clean(ledger: &Ledger) {
    assert_eq!(*ledger.violations.lock().unwrap(), Vec::<String>::new());
    assert_eq!(
        ledger.live.load(SeqCst),
        0,
        "staging, buffers and events left"
    );
}
