//! candle's memory map on slow storage.

use super::safetensors_header::Header;
use super::storage::Between;
use super::throttle::{SlowDevice, wait_until};
use super::timeline::Stage;
use anyhow::Context;
use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::SimpleBackend;
use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Memory-mapped files whose pages come no faster than the device gives them.
///
/// Nobody can slow down a page fault. But candle touches a tensor's pages when it is asked for the tensor, in their
/// order and all of them. So they are asked of the device then, candle copies what is in fact in the page cache, and
/// the tensor is handed out when its last byte has come: what read-ahead within each tensor gives at best.
pub(crate) struct Paged {
    mapped: MmapedSafetensors,
    device: Arc<SlowDevice>,
    between: Between,
    /// The file of each tensor, and where in it.
    tensors: HashMap<String, (usize, Range<u64>)>,
}

impl Paged {
    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// If a file cannot be opened, or is none of safetensors.
    pub(crate) fn open(
        files: &[PathBuf],
        device: Arc<SlowDevice>,
        between: &Between,
    ) -> anyhow::Result<Self> {
        let mut tensors = HashMap::new();
        for (index, path) in files.iter().enumerate() {
            let name = || path.display().to_string();
            let file = between.open(path, index).with_context(name)?;
            let header = Header::read(&file).with_context(name)?;
            let found = header.tensors.into_iter();
            tensors.extend(found.map(|entry| (entry.name, (index, entry.bytes))));
        }
        Ok(Self {
            mapped: crate::model::map(files)?,
            device,
            between: between.clone(),
            tensors,
        })
    }

    /// What candle makes of a tensor, once its bytes have come.
    fn when_come<T>(&self, name: &str, load: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let tensor = self.tensors.get(name);
        let ready = tensor.map(|(file, bytes)| self.device.ready_at(*file, bytes.clone()));
        let loaded = load();
        if let Some(ready) = ready {
            wait_until(ready);
        }
        if let Some(recorder) = &self.between.recorder {
            recorder.add(Stage::Read, name, begin);
        }
        loaded
    }
}

impl SimpleBackend for Paged {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        self.when_come(name, || {
            SimpleBackend::get(&self.mapped, shape, name, init, dtype, device)
        })
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        self.when_come(name, || {
            SimpleBackend::get_unchecked(&self.mapped, name, dtype, device)
        })
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}
