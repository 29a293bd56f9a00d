//! Which bytes of a file are read, and where to damage it.

use std::io;
use std::sync::{Arc, Mutex};
use wcodec::{Limits, ReadAt, Reader};
use wcodec_candle::{LoaderBuilder, WcodecLoader};

/// Ranges of a file, as offset and length.
pub(crate) type Ranges = Vec<(u64, usize)>;

/// A file in memory that remembers what was read of it, and can be told to panic where it is read.
#[derive(Clone)]
pub(crate) struct Recorder {
    bytes: Arc<[u8]>,
    reads: Arc<Mutex<Ranges>>,
    panics_at: Ranges,
}

impl Recorder {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            reads: Arc::default(),
            panics_at: Vec::new(),
        }
    }

    pub(crate) fn panics_at(mut self, ranges: Ranges) -> Self {
        self.panics_at = ranges;
        self
    }

    pub(crate) fn reads(&self) -> Ranges {
        self.reads.lock().unwrap().clone()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self.clone(), &Limits::default()).unwrap()
    }

    pub(crate) fn loader(&self, builder: LoaderBuilder) -> WcodecLoader {
        builder.from_reader(self.reader()).unwrap()
    }
}

impl ReadAt for Recorder {
    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let range = (offset, buf.len());
        assert!(
            !self.panics_at.iter().any(|&other| overlap(range, other)),
            "a source that panics"
        );
        self.reads.lock().unwrap().push(range);
        (&*self.bytes).read_exact_at(buf, offset)
    }
}

pub(crate) fn overlap((a, a_len): (u64, usize), (b, b_len): (u64, usize)) -> bool {
    a < b + b_len as u64 && b < a + a_len as u64
}

/// Where the payload of a tensor lies.
pub(crate) fn payload_of(bytes: &[u8], name: &str) -> Ranges {
    let recorder = Recorder::new(bytes);
    let reader = recorder.reader();
    let opened = recorder.reads().len();
    let id = reader.find(name).unwrap();
    let mut out = vec![0; usize::try_from(reader.info(id).raw_bytes).unwrap()];
    reader.decode_bytes(id, &mut out).unwrap();
    recorder.reads().split_off(opened)
}

/// Damages the payload of a tensor: one bit in the middle of each range.
pub(crate) fn damage(bytes: &mut [u8], name: &str) {
    for (offset, len) in payload_of(bytes, name) {
        bytes[usize::try_from(offset).unwrap() + len / 2] ^= 0x10;
    }
}
