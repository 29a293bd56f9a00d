//! Files to load, and how a test asks for their tensors.

use super::fake::{Fake, Ledger, Output, decode};
use crate::device::{Budget, Fault, Lane, Outcome, Session, Target};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use wcodec::{Limits, ReadAt, Reader, TensorId};
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

/// Tensors of a few kinds and sizes, one of them twice, as the bytes of a `.wcodec` file.
pub(super) fn file(layers: usize) -> Vec<u8> {
    let mut tensors: Vec<(String, Dtype, usize)> = vec![("embed".into(), Dtype::BF16, 40_000)];
    for layer in 0..layers {
        tensors.push((format!("layers.{layer}.norm"), Dtype::F32, 64));
        tensors.push((format!("layers.{layer}.q"), Dtype::BF16, 30_000 + layer));
        tensors.push((format!("layers.{layer}.codes"), Dtype::U8, 5_000));
        tensors.push((format!("layers.{layer}.scale"), Dtype::F16, 1));
    }
    tensors.push(("lm_head".into(), Dtype::BF16, 40_000));
    tensors.push(("nothing".into(), Dtype::BF16, 0));
    encode(&tensors)
}

/// Encodes tensors of so many elements; those of the same type and size are duplicates.
pub(super) fn encode(tensors: &[(String, Dtype, usize)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|&(_, dtype, len)| draw(dtype, len))
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, dtype, len), bytes)| {
            (
                name.as_str(),
                TensorView::new(*dtype, vec![*len], bytes).unwrap(),
            )
        });
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (
        folder.path().join("m.safetensors"),
        folder.path().join("m.wcodec"),
    );
    safetensors::serialize_to_file(views, None, &source).unwrap();
    wcodec::checkpoint::import(
        &source,
        &target,
        &wcodec::checkpoint::ImportOptions::default(),
    )
    .unwrap();
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
pub(super) struct Source {
    pub(super) bytes: Arc<RwLock<Vec<u8>>>,
    /// Reading at this offset or behind it panics.
    pub(super) panics_from: u64,
}

impl Source {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Arc::new(RwLock::new(bytes)),
            panics_from: u64::MAX,
        }
    }

    pub(super) fn reader(&self) -> Arc<Reader> {
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
        bytes.as_slice().read_exact_at(buf, offset)
    }
}

pub(super) fn all(reader: &Reader) -> Vec<TensorId> {
    reader.ids().collect()
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

/// Asks for a tensor, as F32 if it is a float and `widen` says so.
pub(super) fn load(
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
        lane: if info.name == "lm_head" {
            Lane::Last
        } else {
            Lane::Layers
        },
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
