//! The strongest uncompressed loader that is easy to write: every thread reads whole tensors straight into their memory,
//! ahead of the model and in its order, and casts in the same pass.

use super::safetensors_header::{Entry, Header};
use super::timeline::{Recorder, Stage};
use super::zst::FRAME_BYTES;
use anyhow::{Context, ensure};
use bytemuck::Pod;
use candle_core::{DType, Device, Error, Result, Shape, Tensor, WithDType};
use candle_nn::Init;
use candle_nn::var_builder::SimpleBackend;
use half::{bf16, f16};
use safetensors::Dtype;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;
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
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(index) else {
                return;
            };
            self.read_ahead(index);
            let tensor = self
                .load(job)
                .with_context(|| format!("tensor `{}`", job.entry.name));
            let mut tensors = self.tensors.lock().unwrap_or_else(PoisonError::into_inner);
            tensors.insert(job.entry.name.clone(), tensor);
            drop(tensors);
            self.came.notify_all();
        }
    }

    fn load(&self, job: &Job) -> anyhow::Result<Tensor> {
        let entry = &job.entry;
        let count: usize = entry.shape.iter().product();
        let bytes = entry.bytes.end - entry.bytes.start;
        ensure!(
            (count * entry.dtype.bitsize() / 8) as u64 == bytes,
            "its length is not that of its shape"
        );
        match (entry.dtype, self.dtype) {
            (Dtype::BF16, DType::F32) => self.cast(job, count, |value: bf16| value.to_f32()),
            (Dtype::F16, DType::F32) => self.cast(job, count, |value: f16| value.to_f32()),
            (Dtype::F32, DType::BF16) => self.cast(job, count, bf16::from_f32),
            (Dtype::F32, DType::F16) => self.cast(job, count, f16::from_f32),
            (Dtype::BF16, DType::BF16) => self.read_straight::<bf16>(job, count),
            (Dtype::F16, DType::F16) => self.read_straight::<f16>(job, count),
            (Dtype::F32, DType::F32) => self.read_straight::<f32>(job, count),
            (from, to) => anyhow::bail!("no loading of {from:?} as {to:?}"),
        }
    }

    fn read_straight<T: WithDType + Pod>(&self, job: &Job, count: usize) -> anyhow::Result<Tensor> {
        let mut out = vec![T::zeroed(); count];
        let file = self.file(job)?;
        let mut at = job.entry.bytes.start;
        for piece in bytemuck::cast_slice_mut::<T, u8>(&mut out).chunks_mut(frame_bytes()) {
            file.read_exact_at(piece, at)?;
            at += piece.len() as u64;
        }
        Ok(Tensor::from_vec(
            out,
            job.entry.shape.as_slice(),
            &Device::Cpu,
        )?)
    }

    fn cast<S: Pod, T: WithDType + Pod>(
        &self,
        job: &Job,
        count: usize,
        convert: impl Fn(S) -> T,
    ) -> anyhow::Result<Tensor> {
        let mut out: Vec<T> = Vec::with_capacity(count);
        let mut piece = vec![S::zeroed(); (frame_bytes() / size_of::<S>()).min(count)];
        let file = self.file(job)?;
        let mut at = job.entry.bytes.start;
        while out.len() < count {
            let len = piece.len().min(count - out.len());
            let values = &mut piece[..len];
            file.read_exact_at(bytemuck::cast_slice_mut(values), at)?;
            at += (len * size_of::<S>()) as u64;
            let begin = Instant::now();
            out.extend(values.iter().map(|value| convert(*value)));
            if let Some(recorder) = &self.recorder {
                recorder.add(Stage::Copy, &job.entry.name, begin);
            }
        }
        Ok(Tensor::from_vec(
            out,
            job.entry.shape.as_slice(),
            &Device::Cpu,
        )?)
    }

    fn file(&self, job: &Job) -> anyhow::Result<&dyn ReadAt> {
        let file = self.files.get(job.file).context("no such file")?;
        Ok(&**file)
    }

    /// Asks for the tensors that come next, each once, in the order in which they are loaded.
    fn read_ahead(&self, index: usize) {
        let mut next = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(index);
        let bytes = |job: &Job| job.entry.bytes.end - job.entry.bytes.start;
        let under_way = self.jobs.get(index..*next).unwrap_or_default();
        let mut ahead: u64 = under_way.iter().map(bytes).sum();
        while ahead < AHEAD_BYTES
            && let Some(job) = self.jobs.get(*next)
            && let Some(file) = self.files.get(job.file)
        {
            file.will_need(job.entry.bytes.start, bytes(job));
            ahead += bytes(job);
            *next += 1;
        }
    }
}

/// Bytes that are read at a time: a frame, where the file has frames.
fn frame_bytes() -> usize {
    usize::try_from(FRAME_BYTES).unwrap_or(usize::MAX)
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
