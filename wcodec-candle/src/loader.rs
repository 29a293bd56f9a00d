//! The handle to an open file.

use crate::ahead::{Callbacks, Pipeline};
use crate::backend::Backend;
#[cfg(feature = "cuda")]
use crate::cuda::Devices;
use candle_core::{DType, Device, Error, Result};
use candle_nn::VarBuilder;
use rayon::ThreadPoolBuilder;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use wcodec::{Limits, Reader, TensorInfo};

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
///     .on_progress(|progress| println!("{}: {} of {} bytes", progress.name, progress.bytes_done, progress.bytes_total))
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
    /// candle back on a single stream, where it need not wait for events any more. Without it that happens after the
    /// last `VarBuilder` and loader are dropped, and an error found so late can only be printed.
    ///
    /// A tensor that failed to decode ahead and was never asked for is no error: nothing that was handed out depends
    /// on it.
    ///
    /// # Errors
    ///
    /// On the CPU never: a tensor is whole when `get` returns it. On CUDA devices, the first thing that went wrong with
    /// a tensor after it was handed out; its name is in the message.
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

/// How far a load is, reported when a tensor is handed out for the first time since
/// [`var_builder`](WcodecLoader::var_builder).
///
/// The totals are those of the file: a model that does not ask for every tensor ends below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The tensor.
    pub name: &'a str,
    /// Tensors handed out, this one included.
    pub tensors_done: usize,
    /// Tensors in the file.
    pub tensors_total: usize,
    /// Their bytes, as in the original checkpoint.
    pub bytes_done: u64,
    /// Bytes of all tensors in the file, as in the original checkpoint.
    pub bytes_total: u64,
}

/// A tensor that was decoded, reported to [`on_decoded`](LoaderBuilder::on_decoded) when it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded<'a> {
    /// The tensor.
    pub name: &'a str,
    /// When its decoding began; it includes the reading.
    pub begin: Instant,
}

/// Options of a [`WcodecLoader`].
pub struct LoaderBuilder {
    decode_ahead_bytes: u64,
    device_bytes: u64,
    threads: usize,
    limits: Limits,
    callbacks: Callbacks,
}

impl Default for LoaderBuilder {
    fn default() -> Self {
        Self {
            decode_ahead_bytes: 256 << 20,
            device_bytes: 256 << 20,
            threads: 0,
            limits: Limits::default(),
            callbacks: Callbacks::default(),
        }
    }
}

impl fmt::Debug for LoaderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoaderBuilder")
            .field("decode_ahead_bytes", &self.decode_ahead_bytes)
            .field("device_bytes", &self.device_bytes)
            .field("threads", &self.threads)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl LoaderBuilder {
    /// Bytes of decoded tensors that may wait to be asked for. Default 256 MiB; 0 decodes everything on demand.
    #[must_use]
    pub fn decode_ahead_bytes(mut self, bytes: u64) -> Self {
        self.decode_ahead_bytes = bytes;
        self
    }

    /// Memory that loading may take on each CUDA device beside the decoded tensors, until
    /// [`finish`](WcodecLoader::finish). Default 256 MiB; five eighths of it are matched by pinned memory of the host.
    /// A tensor with a part that is coded in more than a quarter of it is decoded on the host. Means nothing without
    /// feature `cuda`.
    #[must_use]
    pub fn device_bytes(mut self, bytes: u64) -> Self {
        self.device_bytes = bytes;
        self
    }

    /// Threads that decode. Default 0: as many as `RAYON_NUM_THREADS` says, or the machine has.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Called when a tensor is handed out for the first time, by the thread that asked for it and before it gets it.
    /// Several threads that load at once may call it at once.
    #[must_use]
    pub fn on_progress(mut self, callback: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        self.callbacks.on_progress = Some(Box::new(callback));
        self
    }

    /// Called when a tensor is decoded, on demand or ahead of it, by the thread that began to: for timelines. Several
    /// threads may call it at once.
    #[must_use]
    pub fn on_decoded(mut self, callback: impl Fn(Decoded<'_>) + Send + Sync + 'static) -> Self {
        self.callbacks.on_decoded = Some(Box::new(callback));
        self
    }

    /// What the file may ask for. [`from_reader`](Self::from_reader) ignores it: a reader has its own.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// As [`WcodecLoader::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<WcodecLoader> {
        let reader = Reader::open_with(path, &self.limits).map_err(Error::wrap)?;
        self.from_reader(reader)
    }

    /// Opens a file that lies in memory.
    ///
    /// # Errors
    ///
    /// As [`WcodecLoader::open`].
    pub fn from_bytes(self, bytes: impl Into<Arc<[u8]>>) -> Result<WcodecLoader> {
        let bytes: Arc<[u8]> = bytes.into();
        let reader = Reader::new(bytes, &self.limits).map_err(Error::wrap)?;
        self.from_reader(reader)
    }

    /// Loads from an open reader, whatever it reads from.
    ///
    /// # Errors
    ///
    /// When the threads cannot be started.
    pub fn from_reader(self, reader: Reader) -> Result<WcodecLoader> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|index| format!("wcodec-decode-{index}"))
            .build()
            .map_err(Error::wrap)?;
        let cpu = Pipeline::new(reader, pool, self.decode_ahead_bytes, self.callbacks);
        Ok(WcodecLoader {
            #[cfg(feature = "cuda")]
            cuda: Arc::new(Devices::new(Arc::clone(cpu.reader()), self.device_bytes)),
            cpu: Arc::new(cpu),
        })
    }
}
