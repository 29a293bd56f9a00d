//! Storage that is slower than it is, and storage that tells when it was read.

use super::timeline::{Recorder, Stage};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use wcodec::ReadAt;

/// A reader that gives no more than so many bytes a second, to all threads together, as one device would.
///
/// What is asked for ahead ([`ReadAt::will_need`]) comes while something else is done; what was asked for comes in the
/// order of asking. The bytes themselves are read from the storage behind it, which should be in the page cache.
pub(crate) struct Throttled<R> {
    inner: R,
    bytes_per_second: f64,
    device: Mutex<Device>,
}

/// What the device has still to do.
struct Device {
    /// When it will have done all that it was asked for.
    free_at: Instant,
    /// What was asked for ahead, and when its first byte comes.
    coming: Vec<(Range<u64>, Instant)>,
}

impl<R: ReadAt> Throttled<R> {
    pub(crate) fn new(inner: R, bytes_per_second: f64) -> Self {
        let device = Device {
            free_at: Instant::now(),
            coming: Vec::new(),
        };
        Self {
            inner,
            bytes_per_second,
            device: Mutex::new(device),
        }
    }

    fn time(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second)
    }

    /// When the bytes will all have come; asks for those that nobody asked for yet.
    fn ready_at(&self, wanted: Range<u64>) -> Instant {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ready = Instant::now();
        let mut rest = wanted;
        while !rest.is_empty() {
            let here = device
                .coming
                .iter()
                .find(|(range, _)| range.contains(&rest.start));
            let (end, at) = match here {
                Some((range, first)) => {
                    let end = rest.end.min(range.end);
                    (end, *first + self.time(end - range.start))
                }
                None => {
                    let later = device.coming.iter().map(|(range, _)| range.start);
                    let end = later
                        .filter(|start| rest.contains(start))
                        .min()
                        .unwrap_or(rest.end);
                    let first = device.free_at.max(Instant::now());
                    device.free_at = first + self.time(end - rest.start);
                    device.coming.push((rest.start..end, first));
                    (end, device.free_at)
                }
            };
            ready = ready.max(at);
            rest.start = end;
        }
        ready
    }
}

impl<R: ReadAt> ReadAt for Throttled<R> {
    fn byte_len(&self) -> io::Result<u64> {
        self.inner.byte_len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let ready = self.ready_at(offset..offset.saturating_add(buf.len() as u64));
        self.inner.read_exact_at(buf, offset)?;
        thread::sleep(ready.saturating_duration_since(Instant::now()));
        Ok(())
    }

    fn will_need(&self, offset: u64, len: u64) {
        let end = self.byte_len().unwrap_or(0).min(offset.saturating_add(len));
        self.ready_at(offset..end.max(offset));
    }
}

/// A reader that records each read.
pub(crate) struct Traced<R> {
    pub(crate) inner: R,
    pub(crate) recorder: Arc<Recorder>,
}

impl<R: ReadAt> ReadAt for Traced<R> {
    fn byte_len(&self) -> io::Result<u64> {
        self.inner.byte_len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let begin = Instant::now();
        let outcome = self.inner.read_exact_at(buf, offset);
        self.recorder
            .add(Stage::Read, &format!("{} bytes", buf.len()), begin);
        outcome
    }

    fn will_need(&self, offset: u64, len: u64) {
        self.inner.will_need(offset, len);
    }
}

/// A file as asked for.
///
/// # Errors
///
/// If it cannot be opened.
pub(crate) fn open(
    path: &std::path::Path,
    bytes_per_second: Option<f64>,
    recorder: Option<&Arc<Recorder>>,
) -> io::Result<Box<dyn ReadAt>> {
    let file = wcodec::container::FileSource::new(std::fs::File::open(path)?);
    let file: Box<dyn ReadAt> = match bytes_per_second {
        Some(speed) => Box::new(Throttled::new(file, speed)),
        None => Box::new(file),
    };
    Ok(match recorder {
        Some(recorder) => Box::new(Traced {
            inner: Boxed(file),
            recorder: Arc::clone(recorder),
        }),
        None => file,
    })
}

/// A reader that is known at run time only.
pub(crate) struct Boxed(pub(crate) Box<dyn ReadAt>);

impl ReadAt for Boxed {
    fn byte_len(&self) -> io::Result<u64> {
        self.0.byte_len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn will_need(&self, offset: u64, len: u64) {
        self.0.will_need(offset, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred thousand bytes at `speed`.
    fn slow(speed: f64) -> Throttled<Vec<u8>> {
        let bytes = (0..100_000u32).map(|byte| byte.to_le_bytes()[0]);
        Throttled::new(bytes.collect(), speed)
    }

    #[test]
    fn two_threads_share_the_speed_of_one_device() {
        let slow = slow(1e6);
        let start = Instant::now();
        thread::scope(|scope| {
            for offset in [0, 50_000] {
                let slow = &slow;
                scope.spawn(move || {
                    let mut bytes = [0; 25_000];
                    slow.read_exact_at(&mut bytes, offset).unwrap();
                    assert_eq!(u64::from(bytes[1]), (offset + 1) % 256);
                });
            }
        });
        assert!(start.elapsed().as_secs_f64() >= 0.05);
        assert!(
            slow.ready_at(0..25_000) <= Instant::now(),
            "waited for twice"
        );
        assert!(slow.read_exact_at(&mut [0; 2], 99_999).is_err());
    }

    #[test]
    fn what_is_asked_for_ahead_comes_in_the_order_of_asking() {
        // So slow that the clock of the test does not matter.
        let slow = slow(1e3);
        slow.will_need(0, 40_000);
        let after = |from: Instant, to: Instant| (to - from).as_secs_f64();
        let (half, whole) = (slow.ready_at(0..20_000), slow.ready_at(0..40_000));
        assert!((after(half, whole) - 20.0).abs() < 1e-3);
        // Across the end of what is coming, and then before it: nothing is asked for twice.
        let across = slow.ready_at(30_000..60_000);
        assert!((after(whole, across) - 20.0).abs() < 1e-3);
        assert_eq!(slow.ready_at(10_000..40_000), whole);
        slow.will_need(90_000, 50_000);
        let last = slow.ready_at(99_999..100_000);
        assert!(
            (after(across, last) - 10.0).abs() < 1e-3,
            "no further than the file"
        );
    }
}
