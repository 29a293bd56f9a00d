//! Decoding on the CPU, on demand and ahead of it.
//!
//! candle says nothing of what a model will ask for, so a tensor is decoded ahead only when one like it, of another
//! layer, has been asked for already, and only in a layer that config.json says the model runs. One thread does so,
//! one tensor after another, on the same pool that decodes on demand. No lock is held while anything decodes.

mod state;

use crate::decode;
use crate::loader::Progress;
use crate::names::Templates;
use candle_core::{DType, Result, Tensor};
use rayon::ThreadPool;
use state::{Candidate, State};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use wcodec::{Reader, TensorId};

/// The callback of [`LoaderBuilder::on_progress`](crate::LoaderBuilder::on_progress).
pub(crate) type OnProgress = Box<dyn Fn(Progress<'_>) + Send + Sync>;

/// An open file, its threads and what they have decoded. The last one to drop it ends the threads.
pub(crate) struct Pipeline {
    core: Arc<Core>,
}

/// What the thread shares with those that ask.
struct Core {
    reader: Reader,
    ids: Vec<TensorId>,
    candidates: Vec<Candidate>,
    templates: Templates,
    bytes_total: u64,
    pool: ThreadPool,
    budget: u64,
    on_progress: Option<OnProgress>,
    state: Mutex<State>,
    /// Notified when the state changes in a way that somebody may wait for.
    changed: Condvar,
}

impl Pipeline {
    pub(crate) fn new(
        reader: Reader,
        pool: ThreadPool,
        budget: u64,
        on_progress: Option<OnProgress>,
    ) -> Self {
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
        let core = Core {
            ids: reader.ids().collect(),
            bytes_total: reader.tensors().iter().map(|info| info.raw_bytes).sum(),
            reader,
            candidates,
            templates,
            pool,
            budget,
            on_progress,
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        Self {
            core: Arc::new(core),
        }
    }

    pub(crate) fn reader(&self) -> &Reader {
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
            None => self.core.decode(id, dtype)?,
        };
        self.core.report(id);
        Ok(tensor)
    }

    /// Notes that a tensor is asked for, and takes it if it was decoded ahead, waiting if that is under way.
    fn claim(&self, id: TensorId, dtype: DType) -> Option<Tensor> {
        let core = &self.core;
        let index = id.index();
        let mut state = core.lock();
        state.ask(&core.candidates, index, dtype);
        if state.enabled && !state.thread_lives && core.budget > 0 {
            let core = Arc::clone(core);
            // Without a thread everything decodes on demand.
            let spawned = std::thread::Builder::new()
                .name("wcodec-ahead".into())
                .spawn(move || core.decode_ahead());
            state.thread_lives = spawned.is_ok();
        }
        core.changed.notify_all();
        while core.may_wait() && state.is_in_progress(index, dtype) {
            state = core.wait(state);
        }
        let tensor = state.take(index);
        core.changed.notify_all();
        drop(state);
        tensor.filter(|tensor| tensor.dtype() == dtype)
    }

    /// Begins to count and to decode ahead for a new model.
    pub(crate) fn begin(&self) {
        let mut state = self.core.lock();
        let dropped = state.reset();
        state.enabled = true;
        drop(state);
        drop(dropped);
    }

    /// Ends decoding ahead and drops what lies ready. Returns when the thread has ended.
    pub(crate) fn finish(&self) {
        let mut state = self.core.lock();
        let dropped = self.core.disable(&mut state);
        while self.core.may_wait() && state.thread_lives && !state.enabled {
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
    /// What the thread does, until decoding ahead ends.
    fn decode_ahead(&self) {
        while let Some((id, dtype)) = self.next_job() {
            // Of a failure and of a panic nothing is kept: the `get` of that tensor meets it again.
            let decoded = catch_unwind(AssertUnwindSafe(|| self.decode(id, dtype).ok()));
            let mut state = self.lock();
            let unwanted = state.settle(&self.candidates, decoded.ok().flatten());
            drop(state);
            self.changed.notify_all();
            drop(unwanted);
        }
    }

    /// Waits for something to decode ahead. `None` when the thread is to end.
    fn next_job(&self) -> Option<(TensorId, DType)> {
        let mut state = self.lock();
        loop {
            if !state.enabled {
                state.thread_lives = false;
                self.changed.notify_all();
                return None;
            }
            let job = state.start(&self.candidates, self.budget);
            if let Some(job) = job.and_then(|job| Some((*self.ids.get(job.index)?, job.dtype))) {
                return Some(job);
            }
            state = self.wait(state);
        }
    }

    /// Decodes a tensor on the pool.
    fn decode(&self, id: TensorId, dtype: DType) -> Result<Tensor> {
        self.pool
            .install(|| decode::decode(&self.reader, id, dtype))
    }

    /// Counts a tensor that is handed out and calls the callback, on the thread that asked.
    fn report(&self, id: TensorId) {
        let counts = self.lock().count(&self.candidates, id.index());
        if let (Some(counts), Some(on_progress)) = (counts, &self.on_progress) {
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
        self.changed.notify_all();
        state.clear()
    }

    /// Whether the caller may wait for the thread: one of the threads that decode for it may not.
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
