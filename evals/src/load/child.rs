//! One load, in a process of its own.

use super::contender;
use super::device_memory::DeviceMemory;
use super::recorder::Recorder;
use super::storage::Between;
use super::task::{Measured, Task, Watch};
use super::throttle::SlowDevice;
use super::timeline::Stage;
use crate::device::DeviceArg;
use crate::memory::{hex, peak_bytes};
use crate::model::read_config;
use anyhow::Context;
use candle_core::{DType, Device, Tensor};
use candle_transformers::models::llama::{Cache, Config, Llama};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Instant;

/// The tokens behind which the first one is predicted.
const PROMPT: [u32; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

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
///
/// # Errors
///
/// If a file cannot be read, or is not of the loader's kind.
pub(super) fn load(task: &Task) -> anyhow::Result<Measured> {
    let config = std::fs::read(&task.config).with_context(|| task.config.display().to_string())?;
    let config = read_config(&task.config.display().to_string(), &config)?;
    let device = task.device.parse::<DeviceArg>()?.open()?;
    let dtype = DType::from(task.dtype);
    let prompt = Tensor::new(&PROMPT, &device)?.unsqueeze(0)?;
    // Tables of rotations are no weights: they are made before the clock starts, for all alike.
    let mut cache = Cache::new(true, dtype, &config, &device)?;
    let memory = match task.watch {
        Watch::DeviceMemory => DeviceMemory::watch(&device)?,
        _ => None,
    };
    timed(task, &config, &device, memory, |model| {
        let logits = model.forward(&prompt, 0, &mut cache)?;
        logits.flatten_all()?.to_vec1::<f32>()
    })
}

/// Loads against the clock, until `first_token` has given the logits of it.
fn timed(
    task: &Task,
    config: &Config,
    device: &Device,
    memory: Option<DeviceMemory>,
    mut first_token: impl FnMut(&Llama) -> candle_core::Result<Vec<f32>>,
) -> anyhow::Result<Measured> {
    let dtype = DType::from(task.dtype);
    let start = Instant::now();
    let between = Between {
        device: task
            .bytes_per_second
            .map(|speed| Arc::new(SlowDevice::new(speed))),
        recorder: (task.watch == Watch::Timeline).then(|| Arc::new(Recorder::new(start))),
    };
    let (mut weights, wcodec) = contender::open(task, dtype, device, &between)?;
    if let Some(recorder) = &between.recorder {
        recorder.add(Stage::Open, "", start);
        weights = contender::recorded(weights, dtype, device, recorder);
    }
    let open = start.elapsed();
    let model = Llama::load(weights, config)?;
    let built = start.elapsed();
    let before = Instant::now();
    let logits = first_token(&model)?;
    let first_token = start.elapsed();
    if let Some(recorder) = &between.recorder {
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
    let spans = between.recorder.map(|recorder| recorder.take());
    Ok(Measured {
        open: open.as_secs_f64(),
        built: built.as_secs_f64(),
        first_token: first_token.as_secs_f64(),
        decoded: decoded.as_secs_f64(),
        peak_bytes: peak_bytes(),
        peak_device_bytes: memory.map(DeviceMemory::finish).transpose()?,
        storage_bytes: between.device.map(|device| device.bytes()),
        logits: hex(&Sha256::digest(&bits)),
        spans: spans.unwrap_or_default(),
    })
}

/// The vocabulary must hold the prompt.
///
/// # Errors
///
/// If it does not, or the model cannot take so many tokens.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    anyhow::ensure!(
        config.vocab_size > PROMPT.len() && config.max_position_embeddings >= PROMPT.len(),
        "the model is too small for a prompt of {} tokens",
        PROMPT.len()
    );
    Ok(())
}
