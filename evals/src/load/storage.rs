//! Files as a load reads them: as they are, slowed down, and telling when they were read.

use super::recorder::Recorder;
use super::throttle::{SlowDevice, Throttled};
use super::timeline::Stage;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use wcodec::ReadAt;
use wcodec::container::FileSource;

/// A reader that records each read.
struct Traced<R> {
    inner: R,
    recorder: Arc<Recorder>,
}

impl<R: ReadAt> ReadAt for Traced<R> {
    fn byte_len(&self) -> io::Result<u64> {
        self.inner.byte_len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let begin = Instant::now();
        let outcome = self.inner.read_exact_at(buf, offset);
        let words = format!("{} bytes", buf.len());
        self.recorder.add(Stage::Read, &words, begin);
        outcome
    }

    fn will_need(&self, offset: u64, len: u64) {
        self.inner.will_need(offset, len);
    }
}

/// What stands between a load and its files.
#[derive(Debug, Default, Clone)]
pub(crate) struct Between {
    /// What all of them are read from, if not from where they are.
    pub(crate) device: Option<Arc<SlowDevice>>,
    pub(crate) recorder: Option<Arc<Recorder>>,
}

impl Between {
    /// Whether nothing does.
    pub(crate) fn is_nothing(&self) -> bool {
        self.device.is_none() && self.recorder.is_none()
    }

    /// The load's file number `index`.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub(crate) fn open(&self, path: &Path, index: usize) -> io::Result<Boxed> {
        let file = FileSource::new(File::open(path)?);
        let file = Boxed(match &self.device {
            Some(device) => Box::new(Throttled::new(file, Arc::clone(device), index)),
            None => Box::new(file),
        });
        Ok(match &self.recorder {
            Some(recorder) => Boxed(Box::new(Traced {
                inner: file,
                recorder: Arc::clone(recorder),
            })),
            None => file,
        })
    }
}

/// A reader that is known at run time only.
pub(crate) struct Boxed(pub(crate) Box<dyn ReadAt>);

impl ReadAt for Boxed {
    fn byte_len(&self) -> io::Result<u64> {
        self.0.byte_len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn will_need(&self, offset: u64, len: u64) {
        self.0.will_need(offset, len);
    }
}
