//! What the pipeline calls: everything is pushed on a stream, but for what waits.

use super::Fake;
use super::kernel::RECORD_BYTES;
use super::ledger::{Counted, Pending};
use super::memory::{FakeBuffer, FakeEvent, FakeStaging};
use crate::device::machine::{Arguments, Machine, Piece, Stream, work_list};
use std::ops::Range;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use wcodec::Result;
use wcodec_kernels::{Launch, Work};

/// The kernel of a launch that the emulator runs.
const EMULATED: &str = "emulated";
/// What the fake's own kernel asks for.
const SCRATCH_BYTES: usize = 4096;

impl Machine for Fake {
    type Staging = FakeStaging;
    type Buffer = FakeBuffer;
    type Event = FakeEvent;

    fn staging(&self, bytes: usize) -> Result<FakeStaging> {
        self.call()?;
        Ok(FakeStaging {
            bytes: vec![0; bytes],
            writes: Arc::default(),
            landed: Arc::default(),
            counted: Counted::new(&self.ledger, 0),
        })
    }

    fn buffer(&self, bytes: usize) -> Result<FakeBuffer> {
        self.call()?;
        Ok(FakeBuffer {
            memory: Arc::new(Mutex::new(vec![0x5a; bytes])),
            counted: Counted::new(&self.ledger, bytes),
        })
    }

    fn upload(
        &self,
        stream: Stream,
        from: &FakeStaging,
        range: Range<usize>,
        to: &FakeBuffer,
    ) -> Result<()> {
        self.call()?;
        let bytes = from.bytes[range.clone()].to_vec();
        let (writes, memory) = (Arc::clone(&from.writes), Arc::clone(&to.memory));
        let before = writes.load(SeqCst);
        let pending = Pending::on(&[&from.counted, &to.counted]);
        self.push(stream, move |kernel| {
            if writes.load(SeqCst) != before {
                kernel
                    .ledger
                    .violation("the host wrote to memory that was to be copied");
            }
            memory.lock().unwrap()[range].copy_from_slice(&bytes);
            drop(pending);
        });
        Ok(())
    }

    fn fill(&self, stream: Stream, buffer: &FakeBuffer, range: Range<usize>) -> Result<()> {
        self.call()?;
        let (memory, pending) = (Arc::clone(&buffer.memory), Pending::on(&[&buffer.counted]));
        self.push(stream, move |_| {
            memory.lock().unwrap()[range].fill(0xff);
            drop(pending);
        });
        Ok(())
    }

    fn download(
        &self,
        stream: Stream,
        from: &FakeBuffer,
        range: Range<usize>,
        to: &mut FakeStaging,
    ) -> Result<()> {
        self.call()?;
        let (memory, landed) = (Arc::clone(&from.memory), Arc::clone(&to.landed));
        let pending = Pending::on(&[&from.counted, &to.counted]);
        self.push(stream, move |_| {
            let bytes = memory.lock().unwrap()[range.clone()].to_vec();
            landed.lock().unwrap().push((range, bytes));
            drop(pending);
        });
        Ok(())
    }

    fn launch(
        &self,
        stream: Stream,
        launch: &Launch,
        arguments: &Arguments<'_, FakeBuffer>,
    ) -> Result<()> {
        self.call()?;
        let (payload, work) = (
            Arc::clone(&arguments.payload.memory),
            Arc::clone(&arguments.work.memory),
        );
        let scratch = arguments
            .scratch
            .filter(|scratch| scratch.counted.bytes >= SCRATCH_BYTES);
        let mut used = vec![&arguments.payload.counted, &arguments.work.counted];
        match scratch {
            Some(scratch) => used.push(&scratch.counted),
            None if launch.kernel == EMULATED => {}
            None => self
                .ledger
                .violation("a launch without the scratch it needs"),
        }
        let pending = Pending::on(&used);
        let (statuses, count) = (arguments.statuses, usize::try_from(launch.count).unwrap());
        let (is_emulated, first) = (
            launch.kernel == EMULATED,
            usize::try_from(launch.first).unwrap(),
        );
        self.push(stream, move |kernel| {
            if !kernel.is_lost() {
                let (payload, mut work) = (payload.lock().unwrap().clone(), work.lock().unwrap());
                let (records, statuses) = work.split_at_mut(statuses);
                if is_emulated {
                    kernel.emulate(first, records, &payload, statuses);
                }
                for record in records.chunks_exact(RECORD_BYTES).take(count) {
                    kernel.decode(record, &payload, statuses);
                }
            }
            drop(pending);
        });
        Ok(())
    }

    fn record(&self, stream: Stream) -> Result<FakeEvent> {
        self.call()?;
        let over: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let event = Arc::clone(&over);
        self.push(stream, move |_| {
            *event.0.lock().unwrap() = true;
            event.1.notify_all();
        });
        let _counted = Counted::new(&self.ledger, 0);
        Ok(FakeEvent { over, _counted })
    }

    fn wait(&self, stream: Stream, event: &FakeEvent) -> Result<()> {
        self.call()?;
        let over = Arc::clone(&event.over);
        self.push(stream, move |_| {
            drop(
                over.1
                    .wait_while(over.0.lock().unwrap(), |over| !*over)
                    .unwrap(),
            )
        });
        Ok(())
    }

    fn is_over(&self, event: &FakeEvent) -> Result<bool> {
        self.call()?;
        Ok(*event.over.0.lock().unwrap())
    }

    fn synchronize(&self, event: &FakeEvent) -> Result<()> {
        let over = event
            .over
            .1
            .wait_while(event.over.0.lock().unwrap(), |over| !*over);
        drop(over.unwrap());
        self.call()
    }

    fn drain(&self, stream: Stream) -> Result<()> {
        let (sender, drained) = channel();
        self.push(stream, move |_| sender.send(()).unwrap());
        drained.recv().unwrap();
        self.call()
    }

    fn work(
        &self,
        pieces: &[Piece<'_>],
        scratch_bytes: usize,
    ) -> Option<(Work, Vec<Range<usize>>)> {
        if self.behaviour.emulates {
            return self.emulated_work(pieces, scratch_bytes);
        }
        let (mut bytes, mut statuses, mut num_statuses) = (Vec::new(), Vec::new(), 0);
        for piece in pieces {
            let refusals = self.ledger.refusals.fetch_add(1, SeqCst);
            if self
                .behaviour
                .refuses
                .is_some_and(|every| refusals % every == every - 1)
            {
                return None;
            }
            let num_chunks = piece.plan.chunks().len();
            let numbers = [
                piece.id.index() as u64,
                piece.part as u64,
                piece.payload,
                piece.output,
                piece.element as u64,
                num_statuses as u64,
                num_chunks as u64,
            ];
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            statuses.push(num_statuses..num_statuses + num_chunks);
            num_statuses += num_chunks;
        }
        let launch = launch("fake", 0, u32::try_from(pieces.len()).unwrap());
        let work = Work {
            bytes,
            launches: vec![launch],
            scratch_bytes: SCRATCH_BYTES as u64,
            num_statuses,
        };
        Some((work, statuses))
    }
}

impl Fake {
    /// The real work list, as one launch of the emulator.
    fn emulated_work(
        &self,
        pieces: &[Piece<'_>],
        scratch_bytes: usize,
    ) -> Option<(Work, Vec<Range<usize>>)> {
        let (work, statuses) = work_list(pieces, scratch_bytes)?;
        let mut works = self.works.lock().unwrap();
        let launch = launch(EMULATED, u32::try_from(works.len()).unwrap(), 0);
        works.push(work.clone());
        let launches = vec![launch];
        Some((Work { launches, ..work }, statuses))
    }
}

fn launch(kernel: &'static str, first: u32, count: u32) -> Launch {
    Launch {
        kernel,
        grid: 1,
        block: 32,
        shared_bytes: 0,
        first,
        count,
    }
}
