//! The weights as each loader gives them.

use super::eager::Eager;
use super::paged::Paged;
use super::recorder::Recorder;
use super::storage::{Between, Boxed};
use super::task::{Loader, Task};
use super::timeline::Stage;
use super::zst::Frames;
use crate::model::map;
use anyhow::Context;
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use wcodec::{Limits, ReadAt, Reader};
use wcodec_candle::WcodecLoader;

/// Opens the task's files with its loader; the loader itself, too, where it is wcodec's.
///
/// # Errors
///
/// If a file cannot be opened, or is not of the loader's kind.
pub(super) fn open(
    task: &Task,
    dtype: DType,
    device: &Device,
    between: &Between,
) -> anyhow::Result<(VarBuilder<'static>, Option<WcodecLoader>)> {
    let backend: Box<dyn SimpleBackend> = match (task.loader, &between.device) {
        (Loader::Candle, None) => Box::new(map(&task.files)?),
        (Loader::Candle, Some(slow)) => {
            Box::new(Paged::open(&task.files, Arc::clone(slow), between)?)
        }
        (Loader::Pread, _) => eager(task, dtype, between, |file| Ok(file.0))?,
        (Loader::Zstd, _) => eager(task, dtype, between, |file| {
            let frames = Frames::open(file, between.recorder.clone())?;
            Ok(Box::new(frames))
        })?,
        (Loader::Wcodec, _) => {
            let loader = wcodec(task, between)?;
            return Ok((loader.var_builder(dtype, device), Some(loader)));
        }
    };
    let weights = VarBuilder::from_backend(backend, dtype, device.clone());
    Ok((weights, None))
}

/// The loader for uncompressed files, over what `decode` makes of each.
fn eager(
    task: &Task,
    dtype: DType,
    between: &Between,
    decode: impl Fn(Boxed) -> anyhow::Result<Box<dyn ReadAt>>,
) -> anyhow::Result<Box<dyn SimpleBackend>> {
    let file = |(index, path): (usize, &PathBuf)| {
        let file = between.open(path, index).map_err(anyhow::Error::from);
        let file = file.and_then(&decode);
        file.with_context(|| path.display().to_string())
    };
    let files = task.files.iter().enumerate().map(file);
    let files = files.collect::<anyhow::Result<_>>()?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let eager = Eager::open(files, dtype, threads, between.recorder.clone())?;
    Ok(Box::new(eager))
}

fn wcodec(task: &Task, between: &Between) -> anyhow::Result<WcodecLoader> {
    let path = task.files.first().context("no file")?;
    let mut builder = WcodecLoader::builder();
    if let Some(recorder) = between.recorder.clone() {
        let on_decoded = move |decoded: wcodec_candle::Decoded<'_>| {
            recorder.add(Stage::Decode, decoded.name, decoded.begin);
        };
        builder = builder.on_decoded(on_decoded);
    }
    if between.is_nothing() {
        return Ok(builder.open(path)?);
    }
    let file = between.open(path, 0);
    let file = file.with_context(|| path.display().to_string())?;
    Ok(builder.from_reader(Reader::new(file, &Limits::default())?)?)
}

/// The same weights, each `get` on the timeline.
pub(super) fn recorded(
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
        let begin = Instant::now();
        let tensor = self.weights.to_dtype(dtype).get_unchecked(name);
        self.recorder.add(Stage::Build, name, begin);
        tensor
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.contains_tensor(name)
    }
}
