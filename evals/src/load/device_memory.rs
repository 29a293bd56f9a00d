//! The most memory that a load takes on a device.

use anyhow::anyhow;
use candle_core::Device;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the device is asked. A peak that comes and goes in between is missed.
const INTERVAL: Duration = Duration::from_millis(1);

/// Asks a device over and over how much of its memory is taken, by whomever: nobody else should be at work there.
pub(super) struct DeviceMemory {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

impl DeviceMemory {
    /// Watches candle's device; nothing is watched on a CPU.
    ///
    /// # Errors
    ///
    /// If the device does not answer, or this build has no support for its kind.
    pub(super) fn watch(device: &Device) -> anyhow::Result<Option<Self>> {
        match device.is_cpu() {
            true => Ok(None),
            false => Ok(Some(Self::over(taken_on(device)?)?)),
        }
    }

    /// Watches what `taken` says, in bytes.
    fn over(
        mut taken: impl FnMut() -> anyhow::Result<u64> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let before = taken()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watch = move || {
            let mut most = before;
            loop {
                // What is there at the end counts, too.
                let last = stopped.load(Ordering::Acquire);
                most = most.max(taken()?);
                if last {
                    return Ok(most - before);
                }
                thread::sleep(INTERVAL);
            }
        };
        let thread = thread::Builder::new().name("device-memory".into());
        Ok(Self {
            stop,
            thread: thread.spawn(watch)?,
        })
    }

    /// The most bytes that were taken, beyond what was before.
    ///
    /// # Errors
    ///
    /// If the device did not answer once.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Release);
        let joined = self.thread.join();
        joined.map_err(|_| anyhow!("watching the device's memory failed"))?
    }
}

/// What says how many bytes of a device are taken.
#[cfg(feature = "cuda")]
fn taken_on(
    device: &Device,
) -> anyhow::Result<impl FnMut() -> anyhow::Result<u64> + Send + 'static> {
    let context = Arc::clone(device.as_cuda_device()?.cuda_stream().context());
    Ok(move || {
        let (free, total) = context.mem_get_info()?;
        Ok(total.saturating_sub(free) as u64)
    })
}

#[cfg(not(feature = "cuda"))]
fn taken_on(_: &Device) -> anyhow::Result<fn() -> anyhow::Result<u64>> {
    anyhow::bail!("this build knows no device but the CPU")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn the_most_beyond_what_was_there_before() {
        let (taken, asked) = (Arc::new(AtomicU64::new(100)), Arc::new(AtomicU64::new(0)));
        let (says, counts) = (Arc::clone(&taken), Arc::clone(&asked));
        let memory = DeviceMemory::over(move || {
            counts.fetch_add(1, Ordering::SeqCst);
            Ok(says.load(Ordering::SeqCst))
        });
        let memory = memory.unwrap();
        taken.store(700, Ordering::SeqCst);
        let until = asked.load(Ordering::SeqCst) + 2;
        while asked.load(Ordering::SeqCst) < until {
            thread::yield_now();
        }
        taken.store(300, Ordering::SeqCst);
        assert_eq!(memory.finish().unwrap(), 600);
        assert!(DeviceMemory::watch(&Device::Cpu).unwrap().is_none());
        assert!(DeviceMemory::over(|| anyhow::bail!("gone")).is_err());
    }
}
