//! Decoding on CUDA devices: one [`Session`] for each candle device that tensors were asked for on, until
//! [`finish`](Devices::finish).

mod machine;
mod output;
mod warm;

use crate::device::{Budget, Fault, Session};
use candle_core::cuda_backend::DeviceId;
use candle_core::{CudaDevice, DType, Error, Result, Tensor};
use machine::CudaMachine;
use output::Output;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use wcodec::{Reader, TensorId};

/// Threads of one device that read the file. A disk of a server is not busy with fewer, and more only wait for one
/// another.
const MAX_READERS: usize = 4;

/// The devices that a file is loaded to.
pub(crate) struct Devices {
    shared: Arc<Shared>,
    /// Threads that make devices ready.
    helpers: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    reader: Arc<Reader>,
    budget: Budget,
    /// Devices do not wait for each other: this lock is held only to find a place in it.
    places: Mutex<HashMap<DeviceId, Place>>,
}

/// Where a device's session is, once there is one.
type Place = Arc<Mutex<Option<Arc<Opened>>>>;

/// A session and its device. The fields are dropped in their order.
struct Opened {
    session: Session<CudaMachine>,
    machine: Arc<CudaMachine>,
}

impl Devices {
    /// Nothing is opened yet; each device may take `device_bytes` for itself.
    pub(crate) fn new(reader: Arc<Reader>, device_bytes: u64) -> Self {
        let parts = reader.ids().flat_map(|id| reader.parts(id));
        let largest = parts
            .map(|part| part.file.end.saturating_sub(part.file.start))
            .max();
        let in_memory = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        let budget = Budget::divide(in_memory(device_bytes), in_memory(largest.unwrap_or(0)));
        let shared = Shared {
            reader,
            budget,
            places: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            helpers: Mutex::default(),
        }
    }

    /// Begins to read for a device, and to make it ready, behind the caller's back. What fails fails again in `fetch`.
    pub(crate) fn begin(&self, device: &CudaDevice) {
        let place = self.shared.place(device);
        let (shared, device) = (Arc::clone(&self.shared), device.clone());
        let thread = std::thread::Builder::new().name("wcodec-cuda".into());
        let helper = thread.spawn(move || {
            let opened = lock(&place).as_ref().map(Arc::clone);
            match opened {
                Some(opened) => opened.session.forget_asked(),
                None => {
                    let _ = shared.open(&place, &device);
                    warm::warm_up(&device);
                }
            }
        });
        if let Ok(helper) = helper {
            lock(&self.helpers).push(helper);
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
        let reader = &*self.shared.reader;
        let place = self.shared.place(device);
        let named = |error: wcodec::Error| Error::wrap(error.in_tensor(&reader.info(id).name));
        let opened = self.shared.open(&place, device).map_err(named)?;
        let output = Output {
            reader,
            opened: &opened,
            device,
            id,
        };
        let tensor = output.load(dtype);
        // Who was overtaken by `finish` ends the session, and must not lose its errors.
        if let Some(last) = Arc::into_inner(opened) {
            last.session.close().map_err(Fault::into_candle)?;
        }
        tensor
    }

    /// Waits for everything that was enqueued on any device, frees what was needed for it, and puts candle back on one
    /// stream.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong since a tensor was last handed out.
    pub(crate) fn finish(&self) -> Result<()> {
        for helper in std::mem::take(&mut *lock(&self.helpers)) {
            let _ = helper.join();
        }
        let mut result = Ok(());
        for opened in self.shared.take() {
            result = result.and(opened.session.close());
        }
        result.map_err(Fault::into_candle)
    }
}

impl Drop for Devices {
    /// Models drop their `VarBuilder` while they are built, so this does not wait for the devices: a thread does.
    fn drop(&mut self) {
        let helpers = std::mem::take(&mut *lock(&self.helpers));
        if helpers.is_empty() && lock(&self.shared.places).is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let end = move || {
            helpers.into_iter().for_each(|helper| drop(helper.join()));
            for opened in shared.take() {
                if let Err(fault) = opened.session.close() {
                    // A tensor is wrong, and there is nobody left to be told but the user.
                    eprintln!(
                        "wcodec: {fault} (found after the loader was dropped; WcodecLoader::finish returns it)"
                    );
                }
            }
        };
        // Without a thread, the last to drop the sessions waits for the devices.
        drop(
            std::thread::Builder::new()
                .name("wcodec-cuda-end".into())
                .spawn(end),
        );
    }
}

impl Shared {
    fn place(&self, device: &CudaDevice) -> Place {
        Arc::clone(lock(&self.places).entry(device.id()).or_default())
    }

    /// The session at a place, opened now if need be.
    fn open(&self, place: &Place, device: &CudaDevice) -> wcodec::Result<Arc<Opened>> {
        let mut place = lock(place);
        if let Some(opened) = &*place {
            return Ok(Arc::clone(opened));
        }
        let machine = Arc::new(CudaMachine::new(device.cuda_stream().context())?);
        let num_readers = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_READERS);
        let reader = Arc::clone(&self.reader);
        let session = Session::open(Arc::clone(&machine), reader, &self.budget, num_readers)?;
        let opened = Arc::new(Opened { session, machine });
        *place = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Takes out every session that is open.
    fn take(&self) -> Vec<Arc<Opened>> {
        let places: Vec<Place> = lock(&self.places).drain().map(|(_, place)| place).collect();
        places
            .iter()
            .filter_map(|place| lock(place).take())
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
