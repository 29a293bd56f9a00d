//! A device that is slow, forgets nothing and can fail: streams are threads, kernels ask the CPU decoder or are the
//! real ones on the emulator.

mod calls;
mod kernel;
mod ledger;
mod memory;

pub(super) use kernel::decode;
pub(super) use ledger::{Behaviour, Ledger};
pub(super) use memory::Output;

use crate::device::machine::Stream;
use kernel::Kernel;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use wcodec::{Reader, Result};
use wcodec_kernels::{Work, emulation};

type Job = Box<dyn FnOnce(&Kernel) + Send>;

/// A stream: where its jobs go, and the thread that does them.
struct Queue {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

pub(super) struct Fake {
    ledger: Arc<Ledger>,
    behaviour: Behaviour,
    streams: Vec<Queue>,
    outputs: Arc<Mutex<BTreeMap<u64, Output>>>,
    /// What the emulator is to run, by the launches' `first`.
    works: Arc<Mutex<Vec<Work>>>,
}

impl Fake {
    pub(super) fn new(reader: &Arc<Reader>, behaviour: Behaviour) -> (Arc<Self>, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        let outputs: Arc<Mutex<BTreeMap<u64, Output>>> = Arc::default();
        let works: Arc<Mutex<Vec<Work>>> = Arc::default();
        let stream = |_| {
            let (sender, jobs) = channel::<Job>();
            let kernel = Kernel {
                ledger: Arc::clone(&ledger),
                reader: Arc::clone(reader),
                outputs: Arc::clone(&outputs),
                works: Arc::clone(&works),
                behaviour,
            };
            let run = move || jobs.into_iter().for_each(|job| kernel.run(job));
            Queue {
                jobs: Some(sender),
                thread: Some(std::thread::spawn(run)),
            }
        };
        let fake = Self {
            ledger: Arc::clone(&ledger),
            behaviour,
            streams: (0..3).map(stream).collect(),
            outputs: Arc::clone(&outputs),
            works,
        };
        (Arc::new(fake), ledger)
    }

    /// Memory for a tensor, full of what no decoder leaves there, and its address.
    pub(super) fn output(&self, bytes: usize) -> (u64, Output) {
        let mut memory = emulation::Memory::new(bytes).unwrap();
        memory.fill(0xa5);
        let address = memory.address();
        let memory = Arc::new(Mutex::new(memory));
        self.outputs
            .lock()
            .unwrap()
            .insert(address, Arc::clone(&memory));
        (address, memory)
    }

    /// Counts a call; whether it fails.
    fn call(&self) -> Result<()> {
        let at = self.ledger.calls.fetch_add(1, SeqCst);
        let fails = self
            .behaviour
            .fails_at
            .is_some_and(|fails_at| match self.behaviour.is_lost {
                true => at >= fails_at,
                false => at == fails_at,
            });
        match fails || self.ledger.is_lost.load(SeqCst) {
            true => Err(Ledger::lost()),
            false => Ok(()),
        }
    }

    fn push(&self, stream: Stream, job: impl FnOnce(&Kernel) + Send + 'static) {
        let at = match stream {
            Stream::Copy => 0,
            Stream::Lane(lane) => 1 + lane.index(),
        };
        let sender = self.streams[at].jobs.as_ref().unwrap();
        sender.send(Box::new(job)).unwrap();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        for queue in &mut self.streams {
            drop(queue.jobs.take());
            queue.thread.take().unwrap().join().unwrap();
        }
    }
}
