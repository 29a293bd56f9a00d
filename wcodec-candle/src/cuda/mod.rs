//! Decoding on CUDA devices: one [`Session`] for each candle device that tensors were asked for on, until
//! [`finish`](Devices::finish).

mod machine;
mod memory;
mod output;
mod warm;

use crate::device::{Budget, Fault, OnWhole, Session, Sessions, Setup, lane_of};
use candle_core::cuda_backend::DeviceId;
use candle_core::{CudaDevice, DType, Error, Result, Tensor};
use machine::CudaMachine;
use output::Output;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use wcodec::{Reader, TensorId};

/// Threads of one device that read the file. A disk of a server is not busy with fewer, and more only wait for one
/// another.
const MAX_READERS: usize = 4;

/// The devices that a file is loaded to.
pub(crate) struct Devices {
    reader: Arc<Reader>,
    sessions: Arc<Sessions<DeviceId, CudaMachine>>,
    /// Threads that make devices ready.
    warming: Mutex<Vec<JoinHandle<()>>>,
}

impl Devices {
    /// Nothing is opened yet; each device may take `device_bytes` for itself. `on_whole` is told of tensors when they
    /// are known to be decoded.
    pub(crate) fn new(reader: &Arc<Reader>, device_bytes: u64, on_whole: Option<OnWhole>) -> Self {
        let parts = reader.ids().flat_map(|id| reader.parts(id));
        let largest = parts
            .map(|part| part.file.end.saturating_sub(part.file.start))
            .max();
        let in_memory = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        let num_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let setup = Setup {
            reader: Arc::clone(reader),
            budget: Budget::divide(in_memory(device_bytes), in_memory(largest.unwrap_or(0))),
            lane_of,
            num_readers: num_cores.min(MAX_READERS),
            on_whole,
        };
        Self {
            reader: Arc::clone(reader),
            sessions: Arc::new(Sessions::new(setup)),
            warming: Mutex::default(),
        }
    }

    /// Begins to read for a device, and to make it ready, behind the caller's back. What fails fails again in `fetch`.
    pub(crate) fn begin(&self, device: &CudaDevice) {
        if self.sessions.begin_anew(device.id()) {
            return;
        }
        let (sessions, device) = (Arc::clone(&self.sessions), device.clone());
        let thread = std::thread::Builder::new().name("wcodec-cuda".into());
        let thread = thread.spawn(move || {
            let _ = open(&sessions, &device);
            warm::warm_up(&device);
        });
        if let Ok(thread) = thread {
            lock(&self.warming).push(thread);
        }
    }

    /// A tensor whose decoding is enqueued; `None` if it has to be decoded on the host.
    ///
    /// # Errors
    ///
    /// Damage, what reading meets and the device's, with the tensor's name; also those of tensors handed out before.
    pub(crate) fn fetch(
        &self,
        id: TensorId,
        dtype: DType,
        device: &CudaDevice,
    ) -> Result<Option<Tensor>> {
        let reader = &*self.reader;
        let named = |error: wcodec::Error| Error::wrap(error.in_tensor(&reader.info(id).name));
        let session = open(&self.sessions, device).map_err(named)?;
        let output = Output {
            reader,
            session: &session,
            device,
            id,
        };
        output.load(dtype)
    }

    /// Waits for everything that was enqueued on any device, frees what was needed for it, and puts candle back on one
    /// stream. A tensor asked for afterwards opens a session of its device anew.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong since a tensor was last handed out.
    pub(crate) fn finish(&self) -> Result<()> {
        for thread in std::mem::take(&mut *lock(&self.warming)) {
            let _ = thread.join();
        }
        self.sessions.finish().map_err(Fault::into_candle)
    }
}

impl Drop for Devices {
    /// Models drop their `VarBuilder` while they are built, so this does not wait for the devices: a thread does, which
    /// nobody joins. If the process ends before it does, the driver frees what is left, and an error that it would have
    /// printed is not seen: who has to know calls `finish`.
    fn drop(&mut self) {
        let warming = std::mem::take(&mut *lock(&self.warming));
        if warming.is_empty() && self.sessions.is_empty() {
            return;
        }
        let sessions = Arc::clone(&self.sessions);
        let end = move || {
            warming.into_iter().for_each(|thread| drop(thread.join()));
            sessions.abandon();
        };
        // Without a thread, the last to drop the sessions waits for the devices.
        let thread = std::thread::Builder::new().name("wcodec-cuda-end".into());
        drop(thread.spawn(end));
    }
}

/// A device's session, opened now if need be.
fn open(
    sessions: &Sessions<DeviceId, CudaMachine>,
    device: &CudaDevice,
) -> wcodec::Result<Arc<Session<CudaMachine>>> {
    let machine = || Ok(Arc::new(CudaMachine::new(device.cuda_stream().context())?));
    sessions.open(device.id(), machine)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
