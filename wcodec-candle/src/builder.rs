//! How a loader is opened.

use crate::ahead::{Callbacks, Pipeline};
use crate::events::{Decoded, Progress};
use crate::loader::WcodecLoader;
use candle_core::{Error, Result};
use rayon::ThreadPoolBuilder;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use wcodec::{Limits, Reader};

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
    /// A tensor with a part that is coded in more than a quarter of it is decoded on the host. Nothing is shared: each
    /// loader takes as much, and each candle `Device`, of which `Device::new_cuda` makes another every time it is
    /// called. Means nothing without feature `cuda`.
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

    /// Called once each time a tensor was decoded: for timelines. Several threads may call it at once.
    ///
    /// What the CPU decodes, on demand or ahead of it, is reported by the thread that began to, at once. What a device
    /// decodes is reported when the host knows that the device is through with it, not when it is enqueued: the host
    /// looks when the next tensor is asked for, in [`finish`](WcodecLoader::finish), and when all is dropped, and the
    /// thread that does any of these calls back, holding no lock. A tensor that the device fails to decode is never
    /// reported.
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
        Ok(WcodecLoader::new(cpu, self.device_bytes))
    }
}
