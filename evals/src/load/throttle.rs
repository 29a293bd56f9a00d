//! Storage that is slower than it is: one device for all files and all threads of a load.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use wcodec::ReadAt;

/// How much later than asked for a sleeping thread wakes up: Linux's default timer slack. It is taken off each wait, or
/// whoever reads in small pieces would wait longer for the same bytes; the device's timetable stays as it is.
const LATE: Duration = Duration::from_micros(50);

/// A device that gives no more than so many bytes a second.
///
/// Bytes come in the order of asking, those asked for ahead while something else is done, and each is read once: from
/// then on it is in memory, as in a page cache.
#[derive(Debug)]
pub(crate) struct SlowDevice {
    bytes_per_second: f64,
    queue: Mutex<Queue>,
}

/// What the device was asked for.
#[derive(Debug)]
struct Queue {
    /// When it will have given all of it.
    free_at: Instant,
    bytes: u64,
    /// Ranges that do not overlap, by file and begin: their end, and when their first byte comes.
    asked: BTreeMap<(usize, u64), (u64, Instant)>,
}

impl SlowDevice {
    pub(crate) fn new(bytes_per_second: f64) -> Self {
        let queue = Queue {
            free_at: Instant::now(),
            bytes: 0,
            asked: BTreeMap::new(),
        };
        Self {
            bytes_per_second,
            queue: Mutex::new(queue),
        }
    }

    /// Bytes that it was asked for so far, each once.
    pub(crate) fn bytes(&self) -> u64 {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.bytes
    }

    /// When these bytes of a file will all have come; asks for those that nobody asked for yet.
    pub(crate) fn ready_at(&self, file: usize, wanted: Range<u64>) -> Instant {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut ready = now;
        let mut rest = wanted;
        while !rest.is_empty() {
            let before = queue.asked.range(..=(file, rest.start)).next_back();
            let here = before.filter(|((of, _), (end, _))| *of == file && *end > rest.start);
            let (end, at) = match here {
                Some(((_, start), (range_end, first))) => {
                    let end = rest.end.min(*range_end);
                    (end, *first + self.time(end - start))
                }
                None => {
                    let mut later = queue.asked.range((file, rest.start)..(file, rest.end));
                    let end = later.next().map_or(rest.end, |((_, start), _)| *start);
                    let first = queue.free_at.max(now);
                    queue.free_at = first + self.time(end - rest.start);
                    queue.bytes += end - rest.start;
                    queue.asked.insert((file, rest.start), (end, first));
                    (end, queue.free_at)
                }
            };
            ready = ready.max(at);
            rest.start = end;
        }
        ready
    }

    fn time(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second)
    }
}

/// Sleeps until then.
pub(crate) fn wait_until(ready: Instant) {
    thread::sleep(ready.saturating_duration_since(Instant::now() + LATE));
}

/// A file on a slow device. The bytes are read from the storage behind it, which should be in the page cache.
pub(crate) struct Throttled<R> {
    inner: R,
    device: Arc<SlowDevice>,
    /// Which of the device's files this is.
    file: usize,
}

impl<R: ReadAt> Throttled<R> {
    pub(crate) fn new(inner: R, device: Arc<SlowDevice>, file: usize) -> Self {
        Self {
            inner,
            device,
            file,
        }
    }
}

impl<R: ReadAt> ReadAt for Throttled<R> {
    fn byte_len(&self) -> io::Result<u64> {
        self.inner.byte_len()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let wanted = offset..offset.saturating_add(buf.len() as u64);
        let ready = self.device.ready_at(self.file, wanted);
        self.inner.read_exact_at(buf, offset)?;
        wait_until(ready);
        Ok(())
    }

    fn will_need(&self, offset: u64, len: u64) {
        let end = self.byte_len().unwrap_or(0).min(offset.saturating_add(len));
        self.device.ready_at(self.file, offset..end.max(offset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of a hundred thousand bytes on one device.
    fn files<const N: usize>(bytes_per_second: f64) -> [Throttled<Vec<u8>>; N] {
        let device = Arc::new(SlowDevice::new(bytes_per_second));
        std::array::from_fn(|file| {
            let bytes = (0..100_000u32).map(|byte| byte.to_le_bytes()[0]);
            Throttled::new(bytes.collect(), Arc::clone(&device), file)
        })
    }

    fn seconds(from: Instant, to: Instant) -> f64 {
        (to - from).as_secs_f64()
    }

    #[test]
    fn readers_of_two_files_share_the_speed_of_one_device() {
        let files: [_; 2] = files(1e6);
        let start = Instant::now();
        thread::scope(|scope| {
            for (file, offset) in files.iter().zip([0, 50_000]) {
                scope.spawn(move || {
                    let mut bytes = [0; 25_000];
                    file.read_exact_at(&mut bytes, offset).unwrap();
                    assert_eq!(u64::from(bytes[1]), (offset + 1) % 256);
                });
            }
        });
        let slack = LATE.as_secs_f64();
        assert!(start.elapsed().as_secs_f64() >= 0.05 - slack, "each alone");
        let [first, second] = &files;
        assert_eq!(first.device.bytes(), 50_000);
        assert!(first.device.ready_at(0, 0..25_000) <= Instant::now());
        assert_eq!(first.device.bytes(), 50_000, "asked for twice");
        assert!(second.read_exact_at(&mut [0; 2], 99_999).is_err());
    }

    #[test]
    fn the_same_place_of_another_file_is_asked_for_of_its_own() {
        // So slow that the clock of the test does not matter.
        let [first, second] = files(1e3);
        first.will_need(0, 20_000);
        second.will_need(0, 20_000);
        let at = |file| first.device.ready_at(file, 0..20_000);
        assert!((seconds(at(0), at(1)) - 20.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_asked_for_ahead_comes_in_the_order_of_asking() {
        let [slow] = files(1e3);
        let ready_at = |wanted| slow.device.ready_at(0, wanted);
        slow.will_need(0, 40_000);
        let (half, whole) = (ready_at(0..20_000), ready_at(0..40_000));
        assert!((seconds(half, whole) - 20.0).abs() < 1e-3);
        // Across the end of what is coming, and then before it: nothing is asked for twice.
        let across = ready_at(30_000..60_000);
        assert!((seconds(whole, across) - 20.0).abs() < 1e-3);
        assert_eq!(ready_at(10_000..40_000), whole);
        // Around a range that is coming.
        slow.will_need(70_000, 5_000);
        let around = ready_at(65_000..80_000);
        assert!((seconds(across, around) - 15.0).abs() < 1e-3);
        slow.will_need(90_000, 50_000);
        let last = ready_at(99_999..100_000);
        assert!(
            (seconds(around, last) - 10.0).abs() < 1e-3,
            "no further than the file"
        );
        assert_eq!(slow.device.bytes(), 60_000 + 15_000 + 10_000);
    }
}
