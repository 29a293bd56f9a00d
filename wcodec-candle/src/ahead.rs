//! Decoding on the CPU, on demand and ahead of it.
//!
//! candle says nothing of what a model will ask for, so a tensor is decoded ahead only when one like it, of another
//! layer, has been asked for already, and only in a layer that config.json says the model runs. As many tensors at once
//! as the pool has threads: each thread has one of its own, and helps with another's when none is left, so that no
//! thread waits for the end of a tensor. What is decoded on demand goes first. No lock is held while anything decodes.

mod reading;
mod state;

use crate::decode;
use crate::events::{Decoded, Progress};
use crate::names::Templates;
use candle_core::{DType, Result, Tensor};
use rayon::ThreadPool;
use reading::{ReadAhead, payload_of};
use state::{Candidate, Job, State};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use wcodec::{Reader, TensorId};

/// The callback of [`LoaderBuilder::on_progress`](crate::LoaderBuilder::on_progress).
pub(crate) type OnProgress = Box<dyn Fn(Progress<'_>) + Send + Sync>;

/// The callback of [`LoaderBuilder::on_decoded`](crate::LoaderBuilder::on_decoded).
pub(crate) type OnDecoded = Box<dyn Fn(Decoded<'_>) + Send + Sync>;

/// Who wants to be told.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) on_progress: Option<OnProgress>,
    pub(crate) on_decoded: Option<OnDecoded>,
}

/// An open file, its threads and what they have decoded. The last one to drop it ends the threads.
pub(crate) struct Pipeline {
    core: Arc<Core>,
}

/// What the threads share with those that ask.
struct Core {
    reader: Arc<Reader>,
    ids: Vec<TensorId>,
    candidates: Vec<Candidate>,
    /// Where each tensor's payload lies in the file; where its original's does, for a duplicate.
    payloads: Vec<Range<u64>>,
    templates: Templates,
    bytes_total: u64,
    pool: ThreadPool,
    budget: u64,
    callbacks: Callbacks,
    state: Mutex<State>,
    reading: Mutex<ReadAhead>,
    /// Notified when the state changes in a way that somebody may wait for.
    changed: Condvar,
}

impl Pipeline {
    pub(crate) fn new(reader: Reader, pool: ThreadPool, budget: u64, callbacks: Callbacks) -> Self {
        let templates = Templates::new(reader.tensors());
        let num_layers = num_hidden_layers(&reader);
        let candidates: Vec<Candidate> = reader
            .tensors()
            .iter()
            .zip(templates.places())
            .map(|(info, place)| Candidate {
                template: place.template,
                in_layer: place
                    .layer
                    .is_some_and(|layer| num_layers.is_none_or(|num_layers| layer < num_layers)),
                num_elems: info.num_elems(),
                raw_bytes: info.raw_bytes,
            })
            .collect();
        let state = State::new(candidates.len(), templates.len());
        let payloads: Vec<Range<u64>> = reader.ids().map(|id| payload_of(&reader, id)).collect();
        let payloads_end = payloads.iter().map(|payload| payload.end).max();
        let core = Core {
            ids: reader.ids().collect(),
            bytes_total: reader.tensors().iter().map(|info| info.raw_bytes).sum(),
            reader: Arc::new(reader),
            candidates,
            templates,
            pool,
            budget,
            callbacks,
            state: Mutex::new(state),
            reading: Mutex::new(ReadAhead::new(payloads_end.unwrap_or(0))),
            payloads,
            changed: Condvar::new(),
        };
        Self {
            core: Arc::new(core),
        }
    }

    pub(crate) fn reader(&self) -> &Arc<Reader> {
        &self.core.reader
    }

    /// Names like one that the file does not hold.
    pub(crate) fn near_names(&self, wanted: &str) -> Vec<&str> {
        self.core.templates.near(wanted, self.core.reader.tensors())
    }

    /// A tensor in the dtype asked for, on the CPU.
    ///
    /// # Errors
    ///
    /// As [`decode::decode`].
    pub(crate) fn fetch(&self, id: TensorId, dtype: DType) -> Result<Tensor> {
        let tensor = match self.claim(id, dtype) {
            Some(tensor) => tensor,
            None => self.decode_on_demand(id, dtype)?,
        };
        self.core.report(id);
        Ok(tensor)
    }

    /// Counts a tensor that another decoder hands out and calls the callback.
    #[cfg(feature = "cuda")]
    pub(crate) fn report(&self, id: TensorId) {
        self.core.report(id);
    }

    /// What devices call for each tensor that they have decoded, if anybody wants to be told.
    #[cfg(feature = "cuda")]
    pub(crate) fn on_whole(&self) -> Option<crate::device::OnWhole> {
        let core = Arc::clone(&self.core);
        let is_wanted = core.callbacks.on_decoded.is_some();
        is_wanted.then(|| -> crate::device::OnWhole {
            Arc::new(move |id, begin| core.decoded(id, begin, true))
        })
    }

    /// Notes that a tensor is asked for, and takes it if it was decoded ahead, waiting if that is under way.
    fn claim(&self, id: TensorId, dtype: DType) -> Option<Tensor> {
        let core = &self.core;
        let index = id.index();
        let mut state = core.lock();
        state.ask(&core.candidates, index, dtype);
        core.start_jobs(&mut state);
        while core.may_wait() && state.is_in_progress(index, dtype) {
            state = core.wait(state);
        }
        let tensor = state.take(index);
        core.start_jobs(&mut state); // the budget may have room now
        drop(state);
        tensor.filter(|tensor| tensor.dtype() == dtype)
    }

    /// Decodes a tensor on the pool, and meanwhile lets nothing new be decoded ahead.
    fn decode_on_demand(&self, id: TensorId, dtype: DType) -> Result<Tensor> {
        /// Ends the demand, on a panic, too.
        struct Demand<'a>(&'a Pipeline);
        impl Drop for Demand<'_> {
            fn drop(&mut self) {
                let mut state = self.0.core.lock();
                state.demands -= 1;
                self.0.core.start_jobs(&mut state);
            }
        }
        self.core.lock().demands += 1;
        let _demand = Demand(self);
        let core = &self.core;
        core.pool.install(|| core.decode(id, dtype))
    }

    /// Begins to count and to decode ahead for a new model.
    pub(crate) fn begin(&self) {
        let mut state = self.core.lock();
        let dropped = state.reset();
        state.enabled = true;
        drop(state);
        drop(dropped);
    }

    /// Ends decoding ahead and drops what lies ready. Returns when no thread does so any more.
    pub(crate) fn finish(&self) {
        let mut state = self.core.lock();
        let dropped = self.core.disable(&mut state);
        while self.core.may_wait() && state.num_in_progress() > 0 && !state.enabled {
            state = self.core.wait(state);
        }
        drop(state);
        drop(dropped);
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let dropped = self.core.disable(&mut self.core.lock());
        drop(dropped);
    }
}

impl Core {
    /// Decodes ahead what there is to decode, on as many threads as are free.
    fn start_jobs(self: &Arc<Self>, state: &mut State) {
        while state.num_in_progress() < self.pool.current_num_threads() {
            let Some(job) = state.start(&self.candidates, self.budget) else {
                break;
            };
            let core = Arc::clone(self);
            self.pool.spawn(move || core.decode_ahead(job));
        }
    }

    /// Decodes a tensor ahead, then starts the next. A task for each: one that looped would, on a thread that waits
    /// for the rest of another tensor, keep that one from being handed out.
    fn decode_ahead(self: &Arc<Self>, job: Job) {
        // Of a failure and of a panic nothing is kept: the `get` of that tensor meets it again.
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            let id = *self.ids.get(job.index)?;
            self.decode(id, job.dtype).ok()
        }));
        let mut state = self.lock();
        let unwanted = state.settle(&self.candidates, job, decoded.ok().flatten());
        self.start_jobs(&mut state);
        drop(state);
        self.changed.notify_all();
        drop(unwanted);
    }

    /// Decodes a tensor on the current pool, and has the file read on behind it.
    fn decode(&self, id: TensorId, dtype: DType) -> Result<Tensor> {
        if let Some(payload) = self.payloads.get(id.index()) {
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = reading.advance(payload);
            drop(reading);
            if let Some(wanted) = wanted {
                self.reader.will_need(wanted);
            }
        }
        let begin = Instant::now();
        let tensor = decode::decode(&self.reader, id, dtype)?;
        self.decoded(id, begin, false);
        Ok(tensor)
    }

    /// Calls the callback of decoded tensors.
    fn decoded(&self, id: TensorId, begin: Instant, on_device: bool) {
        if let Some(on_decoded) = &self.callbacks.on_decoded {
            let name = &self.reader.info(id).name;
            on_decoded(Decoded {
                name,
                begin,
                on_device,
            });
        }
    }

    /// Counts a tensor that is handed out and calls the callback, on the thread that asked.
    fn report(&self, id: TensorId) {
        let counts = self.lock().count(&self.candidates, id.index());
        if let (Some(counts), Some(on_progress)) = (counts, &self.callbacks.on_progress) {
            on_progress(Progress {
                name: &self.reader.info(id).name,
                tensors_done: counts.tensors,
                tensors_total: self.ids.len(),
                bytes_done: counts.bytes,
                bytes_total: self.bytes_total,
            });
        }
    }

    fn disable(&self, state: &mut State) -> Vec<Tensor> {
        state.enabled = false;
        state.clear()
    }

    /// Whether the caller may wait for the threads: one of them may not.
    fn may_wait(&self) -> bool {
        self.pool.current_thread_index().is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of layers that the model runs, if there is a config.json that says so.
fn num_hidden_layers(reader: &Reader) -> Option<u64> {
    let bytes = reader.attachment("config.json").ok().flatten()?;
    let config: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    config.get("num_hidden_layers")?.as_u64()
}
