//! The handle to an open file.

use crate::ahead::Pipeline;
use crate::backend::Backend;
use crate::builder::LoaderBuilder;
#[cfg(feature = "cuda")]
use crate::cuda::Devices;
use candle_core::{DType, Device, Error, Result};
use candle_nn::VarBuilder;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use wcodec::TensorInfo;

/// An open `.wcodec` file that candle loads from.
///
/// Clones share the file, the threads and the budget. A `VarBuilder` made here keeps working when the loader is
/// dropped; the threads end with the last of them.
///
/// # Examples
///
/// ```
/// use candle_core::{DType, Device};
/// use wcodec_candle::WcodecLoader;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let source = folder.path().join("model.safetensors");
/// # let weight = candle_core::Tensor::new(&[1f32, 2.0], &Device::Cpu)?.to_dtype(DType::BF16)?;
/// # candle_core::safetensors::save(&[("norm.weight".to_string(), weight)].into(), &source)?;
/// # let path = folder.path().join("model.wcodec");
/// # wcodec::checkpoint::import(&source, &path, &wcodec::checkpoint::ImportOptions::default())?;
/// let loader = WcodecLoader::builder()
///     .decode_ahead_bytes(64 << 20)
///     .on_progress(|at| println!("{}: {} of {} bytes", at.name, at.bytes_done, at.bytes_total))
///     .open(&path)?;
/// assert_eq!(loader.names().collect::<Vec<_>>(), ["norm.weight"]);
/// assert_eq!(loader.info("norm.weight").map(|info| info.dtype), Some(wcodec::Dtype::BF16));
///
/// let vb = loader.var_builder(DType::F32, &Device::Cpu);
/// assert_eq!(vb.get(2, "norm.weight")?.to_vec1::<f32>()?, [1.0, 2.0]);
/// loader.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WcodecLoader {
    cpu: Arc<Pipeline>,
    #[cfg(feature = "cuda")]
    cuda: Arc<Devices>,
}

impl fmt::Debug for WcodecLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WcodecLoader")
            .field("reader", self.cpu.reader())
            .finish_non_exhaustive()
    }
}

impl WcodecLoader {
    pub(crate) fn new(
        cpu: Pipeline,
        #[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "of devices"))]
        device_bytes: u64,
    ) -> Self {
        let cpu = Arc::new(cpu);
        Self {
            #[cfg(feature = "cuda")]
            cuda: Arc::new(Devices::new(cpu.reader(), device_bytes, cpu.on_whole())),
            cpu,
        }
    }

    /// Opens a file and checks its header and index.
    ///
    /// # Errors
    ///
    /// A wrapped [`wcodec::Error`] that names the file, when it cannot be read, is no `.wcodec` file, or is damaged
    /// outside the tensors' payloads; also when the threads cannot be started.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder().open(path)
    }

    /// Opens a file that lies in memory.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        Self::builder().from_bytes(bytes)
    }

    /// A loader with bounds and a callback of your own.
    pub fn builder() -> LoaderBuilder {
        LoaderBuilder::default()
    }

    /// The tensors' names, in file order: the order of first use.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cpu
            .reader()
            .tensors()
            .iter()
            .map(|info| info.name.as_str())
    }

    /// What the file says of a tensor.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        let reader = self.cpu.reader();
        reader.find(name).map(|id| reader.info(id))
    }

    /// The model's config.json, if it rides along.
    ///
    /// # Errors
    ///
    /// As [`attachment`](Self::attachment).
    pub fn config(&self) -> Result<Option<Vec<u8>>> {
        self.attachment("config.json")
    }

    /// The model's tokenizer.json, if it rides along.
    ///
    /// # Errors
    ///
    /// As [`attachment`](Self::attachment).
    pub fn tokenizer(&self) -> Result<Option<Vec<u8>>> {
        self.attachment("tokenizer.json")
    }

    /// A file that rides along, or `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// A wrapped [`wcodec::Error`] if it is damaged or cannot be read.
    pub fn attachment(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.cpu.reader().attachment(name).map_err(Error::wrap)
    }

    /// The weights as candle's models take them: cast to `dtype`, on `device`.
    ///
    /// This begins a load: progress counts from zero, and decoding ahead starts over with what is asked for next.
    /// Nothing is decoded before. For a CUDA device, reading begins at once, behind the caller's back.
    pub fn var_builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        self.cpu.begin();
        #[cfg(feature = "cuda")]
        if let Device::Cuda(device) = device {
            self.cuda.begin(device);
        }
        VarBuilder::from_backend(Box::new(Backend::new(self)), dtype, device.clone())
    }

    /// Ends decoding ahead, waits for its threads and frees what was decoded but not asked for: to be called when the
    /// model is built or, on CUDA devices, when it has run once. Until the next [`var_builder`](Self::var_builder),
    /// every `get` on the CPU decodes on demand.
    ///
    /// On CUDA devices it waits until all that was handed out is decoded, frees pinned and scratch memory, and puts
    /// candle back on a single stream, where it need not wait for events any more. Without it that happens in the
    /// background after the last `VarBuilder` and loader are dropped, and an error found so late can only be printed.
    /// A `get` that comes later makes the device ready again, with all that this frees, until the next `finish`.
    ///
    /// A tensor that failed to decode ahead and was never asked for is no error: nothing that was handed out depends
    /// on it.
    ///
    /// # Errors
    ///
    /// On the CPU never: a tensor is whole when `get` returns it. On CUDA devices, the first thing that went wrong with
    /// a tensor after it was handed out; its name is in the message. What went wrong on further devices is printed.
    pub fn finish(&self) -> Result<()> {
        self.cpu.finish();
        #[cfg(feature = "cuda")]
        self.cuda.finish()?;
        Ok(())
    }

    pub(crate) fn cpu(&self) -> &Arc<Pipeline> {
        &self.cpu
    }

    #[cfg(feature = "cuda")]
    pub(crate) fn cuda(&self) -> &Arc<Devices> {
        &self.cuda
    }
}
