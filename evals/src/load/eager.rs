//! The strongest uncompressed loader that is easy to write: every thread reads whole tensors straight into their
//! memory, ahead of the model and in its order, and casts in the same pass.

use super::cast::Cast;
use super::recorder::Recorder;
use super::safetensors_header::{Entry, Header};
use anyhow::Context;
use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::SimpleBackend;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use wcodec::ReadAt;

/// How far ahead of a tensor the storage is told to read.
const AHEAD_BYTES: u64 = 64 << 20;

/// Tensors as they come.
pub(crate) struct Eager {
    shared: Arc<Shared>,
}

struct Shared {
    files: Vec<Box<dyn ReadAt>>,
    jobs: Vec<Job>,
    next: AtomicUsize,
    dtype: DType,
    /// The first job whose tensor was not asked for ahead.
    asked: Mutex<usize>,
    tensors: Mutex<HashMap<String, anyhow::Result<Tensor>>>,
    came: Condvar,
    recorder: Option<Arc<Recorder>>,
}

struct Job {
    file: usize,
    entry: Entry,
}

impl Eager {
    /// Reads the headers and starts `threads` threads.
    ///
    /// # Errors
    ///
    /// If a file is no safetensors file.
    pub(crate) fn open(
        files: Vec<Box<dyn ReadAt>>,
        dtype: DType,
        threads: usize,
        recorder: Option<Arc<Recorder>>,
    ) -> anyhow::Result<Self> {
        let mut jobs = Vec::new();
        for (file, source) in files.iter().enumerate() {
            let header = Header::read(&**source)?;
            jobs.extend(header.tensors.into_iter().map(|entry| Job { file, entry }));
        }
        jobs.sort_by_key(|job| (layer(&job.entry.name), job.file, job.entry.bytes.start));
        let shared = Arc::new(Shared {
            asked: Mutex::new(0),
            files,
            jobs,
            next: AtomicUsize::new(0),
            dtype,
            tensors: Mutex::default(),
            came: Condvar::new(),
            recorder,
        });
        for index in 0..threads.max(1) {
            let shared = Arc::clone(&shared);
            let name = format!("read-{index}");
            thread::Builder::new()
                .name(name)
                .spawn(move || shared.work())?;
        }
        Ok(Self { shared })
    }
}

/// The order in which a Llama asks: what stands outside the layers first (0), then layer by layer.
fn layer(name: &str) -> usize {
    let layer = name.split('.').find_map(|word| word.parse::<usize>().ok());
    layer.map_or(0, |layer| layer + 1)
}

impl Shared {
    fn work(&self) {
        let mut cast = Cast::new(self.recorder.clone());
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(index) else {
                return;
            };
            self.read_ahead(index);
            let tensor = self
                .load(job, &mut cast)
                .with_context(|| format!("tensor `{}`", job.entry.name));
            let mut tensors = self.tensors.lock().unwrap_or_else(PoisonError::into_inner);
            tensors.insert(job.entry.name.clone(), tensor);
            drop(tensors);
            self.came.notify_all();
        }
    }

    fn load(&self, job: &Job, cast: &mut Cast) -> anyhow::Result<Tensor> {
        let file = self.files.get(job.file).context("no such file")?;
        cast.load(&**file, &job.entry, self.dtype)
    }

    /// Asks for the tensors that come next, each once, in the order in which they are loaded.
    fn read_ahead(&self, index: usize) {
        for (file, start, len) in self.ask(index) {
            file.will_need(start, len);
        }
    }

    /// What to ask for when job `index` begins: file, first byte, length. Nothing is said twice.
    fn ask(&self, index: usize) -> Vec<(&dyn ReadAt, u64, u64)> {
        let mut asks = Vec::new();
        let mut next = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = |job: &Job| job.entry.bytes.end - job.entry.bytes.start;
        let under_way = self.jobs.get(index..*next).unwrap_or_default();
        let mut ahead: u64 = under_way.iter().map(bytes).sum();
        while ahead < AHEAD_BYTES
            && let Some(job) = self.jobs.get(*next)
            && let Some(file) = self.files.get(job.file)
        {
            asks.push((&**file, job.entry.bytes.start, bytes(job)));
            ahead += bytes(job);
            *next += 1;
        }
        asks
    }
}

impl SimpleBackend for Eager {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        match *tensor.shape() == shape {
            true => Ok(tensor),
            false => Err(Error::UnexpectedShape {
                msg: format!("shape mismatch for {name}"),
                expected: shape,
                got: tensor.shape().clone(),
            }),
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        if !self.contains_tensor(name) {
            return Err(Error::CannotFindTensor {
                path: name.to_owned(),
            });
        }
        let mut tensors = self
            .shared
            .tensors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let tensor = loop {
            match tensors.remove(name) {
                Some(tensor) => break tensor,
                None => {
                    let waiting = self.shared.came.wait(tensors);
                    tensors = waiting.unwrap_or_else(PoisonError::into_inner);
                }
            }
        };
        drop(tensors);
        let tensor = tensor.map_err(|error| Error::Msg(format!("{error:#}")))?;
        tensor.to_dtype(dtype)?.to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.shared.jobs.iter().any(|job| job.entry.name == name)
    }
}
