//! One load, in a process of its own.

use super::eager::Eager;
use super::storage::{self, Boxed};
use super::timeline::{Recorder, Span, Stage};
use super::zst::Frames;
use crate::device::{DeviceArg, DtypeArg};
use crate::memory::peak_bytes;
use crate::model::{map, read_config};
use anyhow::Context;
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use candle_transformers::models::llama::{Cache, Config, Llama};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use wcodec::{Limits, ReadAt, Reader};
use wcodec_candle::WcodecLoader;

/// The tokens behind which the first one is predicted.
const PROMPT: [u32; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// Who loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Loader {
    /// `VarBuilder::from_mmaped_safetensors`.
    Candle,
    /// Uncompressed: parallel reads, the cast in the same pass.
    Pread,
    /// Through Zstandard, otherwise the same.
    Zstd,
    /// `VarBuilder::from_wcodec`.
    Wcodec,
}

impl Loader {
    pub(crate) const ALL: [Self; 4] = [Self::Candle, Self::Pread, Self::Zstd, Self::Wcodec];

    /// Its name in tables.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Candle => "candle mmap",
            Self::Pread => "parallel pread",
            Self::Zstd => "zstd -3, parallel",
            Self::Wcodec => "wcodec",
        }
    }
}

/// What to load, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) loader: Loader,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) config: PathBuf,
    pub(crate) dtype: DtypeArg,
    pub(crate) device: String,
    pub(crate) bytes_per_second: Option<f64>,
    /// Whether to record a timeline, which costs a little.
    pub(crate) trace: bool,
}

/// Seconds from the start of loading, and what it took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) open: f64,
    pub(crate) built: f64,
    pub(crate) first_token: f64,
    /// Every tensor whole and on the device.
    pub(crate) decoded: f64,
    /// Most memory of the process, mapped files included.
    pub(crate) peak_bytes: Option<u64>,
    /// SHA-256 of the first token's logits.
    pub(crate) logits: String,
    pub(crate) spans: Vec<Span>,
}

/// `evals load-one`
#[derive(Debug, clap::Args)]
pub(crate) struct LoadOneArgs {
    /// A task as JSON.
    task: String,
}

pub(crate) fn run(args: &LoadOneArgs) -> anyhow::Result<()> {
    let task: Task = serde_json::from_str(&args.task)?;
    println!("{}", serde_json::to_string(&load(&task)?)?);
    Ok(())
}

/// Loads once.
pub(super) fn load(task: &Task) -> anyhow::Result<Measured> {
    let config = std::fs::read(&task.config).with_context(|| task.config.display().to_string())?;
    let config = read_config(&task.config.display().to_string(), &config)?;
    let device = task.device.parse::<DeviceArg>()?.open()?;
    let dtype = DType::from(task.dtype);
    let prompt = Tensor::new(&PROMPT, &device)?.unsqueeze(0)?;
    // Tables of rotations are no weights: they are made before the clock starts, for all alike.
    let mut cache = Cache::new(true, dtype, &config, &device)?;

    let start = Instant::now();
    let recorder = task.trace.then(|| Arc::new(Recorder::new(start)));
    let (weights, wcodec) = open(task, dtype, &device, recorder.as_ref())?;
    let weights = match &recorder {
        Some(recorder) => {
            recorder.add(Stage::Open, "", start);
            recorded(weights, dtype, &device, recorder)
        }
        None => weights,
    };
    let open = start.elapsed();
    let model = Llama::load(weights, &config)?;
    let built = start.elapsed();
    let before = Instant::now();
    let logits = model
        .forward(&prompt, 0, &mut cache)?
        .flatten_all()?
        .to_vec1::<f32>()?;
    let first_token = start.elapsed();
    if let Some(recorder) = &recorder {
        recorder.add(Stage::FirstToken, "", before);
    }
    // On a CPU a tensor is whole when the model gets it; on another device the loader says when.
    let decoded = match wcodec {
        Some(loader) if !device.is_cpu() => {
            loader.finish()?;
            start.elapsed()
        }
        _ => built,
    };
    let bits: Vec<u8> = logits
        .iter()
        .flat_map(|logit| logit.to_le_bytes())
        .collect();
    Ok(Measured {
        open: open.as_secs_f64(),
        built: built.as_secs_f64(),
        first_token: first_token.as_secs_f64(),
        decoded: decoded.as_secs_f64(),
        peak_bytes: peak_bytes(),
        logits: crate::memory::hex(&Sha256::digest(&bits)),
        spans: recorder.map(|recorder| recorder.take()).unwrap_or_default(),
    })
}

/// The weights as the task's loader gives them.
fn open(
    task: &Task,
    dtype: DType,
    device: &Device,
    recorder: Option<&Arc<Recorder>>,
) -> anyhow::Result<(VarBuilder<'static>, Option<WcodecLoader>)> {
    let storage = |path: &PathBuf| {
        let storage = storage::open(path, task.bytes_per_second, recorder);
        storage.with_context(|| path.display().to_string())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let from =
        |backend: Box<dyn SimpleBackend>| VarBuilder::from_backend(backend, dtype, device.clone());
    Ok(match task.loader {
        Loader::Candle => (from(Box::new(map(&task.files)?)), None),
        Loader::Pread => {
            let files = task
                .files
                .iter()
                .map(storage)
                .collect::<anyhow::Result<_>>()?;
            (
                from(Box::new(Eager::open(
                    files,
                    dtype,
                    threads,
                    recorder.cloned(),
                )?)),
                None,
            )
        }
        Loader::Zstd => {
            let frames = task
                .files
                .iter()
                .map(|path| -> anyhow::Result<Box<dyn ReadAt>> {
                    Ok(Box::new(Frames::open(
                        Boxed(storage(path)?),
                        recorder.cloned(),
                    )?))
                });
            let files = frames.collect::<anyhow::Result<_>>()?;
            (
                from(Box::new(Eager::open(
                    files,
                    dtype,
                    threads,
                    recorder.cloned(),
                )?)),
                None,
            )
        }
        Loader::Wcodec => {
            let path = task.files.first().context("no file")?;
            let mut builder = WcodecLoader::builder();
            if let Some(recorder) = recorder.cloned() {
                builder = builder.on_decoded(move |decoded| {
                    recorder.add(Stage::Decode, decoded.name, decoded.begin)
                });
            }
            let loader = match (task.bytes_per_second, recorder) {
                (None, None) => builder.open(path)?,
                _ => {
                    builder.from_reader(Reader::new(Boxed(storage(path)?), &Limits::default())?)?
                }
            };
            (loader.var_builder(dtype, device), Some(loader))
        }
    })
}

/// The same weights, each `get` on the timeline.
fn recorded(
    weights: VarBuilder<'static>,
    dtype: DType,
    device: &Device,
    recorder: &Arc<Recorder>,
) -> VarBuilder<'static> {
    let recorded = Recorded {
        weights,
        recorder: Arc::clone(recorder),
    };
    VarBuilder::from_backend(Box::new(recorded), dtype, device.clone())
}

struct Recorded {
    weights: VarBuilder<'static>,
    recorder: Arc<Recorder>,
}

impl SimpleBackend for Recorded {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
        let begin = Instant::now();
        let tensor = self.weights.to_dtype(dtype).get(shape, name);
        self.recorder.add(Stage::Build, name, begin);
        tensor
    }

    fn get_unchecked(&self, name: &str, dtype: DType, _: &Device) -> candle_core::Result<Tensor> {
        self.weights.to_dtype(dtype).get_unchecked(name)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.contains_tensor(name)
    }
}

/// The vocabulary must hold the prompt.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    anyhow::ensure!(
        config.vocab_size > PROMPT.len() && config.max_position_embeddings >= PROMPT.len(),
        "the model is too small for a prompt of {} tokens",
        PROMPT.len()
    );
    Ok(())
}
