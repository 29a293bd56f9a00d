//! Collecting what is done when, by which thread.

use super::timeline::{Span, Stage};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Collects spans from all threads.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    spans: Mutex<Vec<Span>>,
}

impl Recorder {
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            spans: Mutex::default(),
        }
    }

    /// Work of this thread that began at `begin` and ends now.
    pub(crate) fn add(&self, stage: Stage, name: &str, begin: Instant) {
        let thread = std::thread::current();
        let seconds = |at: Instant| at.saturating_duration_since(self.start).as_secs_f64();
        let span = Span {
            stage,
            thread: thread
                .name()
                .map_or_else(|| format!("{:?}", thread.id()), str::to_owned),
            name: name.to_owned(),
            begin: seconds(begin),
            end: seconds(Instant::now()),
            busy: None,
        };
        self.spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(span);
    }

    /// All of them so far, in order of their begin.
    pub(crate) fn take(&self) -> Vec<Span> {
        let mut spans =
            std::mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner));
        spans.sort_by(|a, b| a.begin.total_cmp(&b.begin));
        without_reads(spans)
    }
}

/// The same, decoding cut up around the reads of the same thread. Order of their begin, before and after.
fn without_reads(spans: Vec<Span>) -> Vec<Span> {
    let is_read = |span: &&Span| span.stage == Stage::Read;
    let reads: Vec<Span> = spans.iter().filter(is_read).cloned().collect();
    let mut cut = Vec::new();
    for span in spans {
        if span.stage != Stage::Decode {
            cut.push(span);
            continue;
        }
        let mut at = span.begin;
        let own = reads.iter().filter(|read| read.thread == span.thread);
        let inside = own.filter(|read| read.begin < span.end && read.end > span.begin);
        for read in inside {
            if read.begin > at {
                cut.push(Span {
                    begin: at,
                    end: read.begin,
                    ..span.clone()
                });
            }
            at = at.max(read.end);
        }
        if at < span.end {
            cut.push(Span { begin: at, ..span });
        }
    }
    cut.sort_by(|a, b| a.begin.total_cmp(&b.begin));
    cut
}

#[cfg(test)]
mod tests {
    use super::super::timeline::tests::span;
    use super::*;

    #[test]
    fn decoding_is_not_what_its_thread_reads() {
        let cut = without_reads(vec![
            span(Stage::Decode, "a", 0.0, 10.0),
            span(Stage::Read, "a", 0.0, 2.0),
            span(Stage::Read, "b", 2.0, 9.0),
            span(Stage::Read, "a", 4.0, 7.0),
            span(Stage::Decode, "c", 5.0, 6.0),
        ]);
        let of = |stage| {
            let own = cut.iter().filter(move |span| span.stage == stage);
            own.map(|span| (span.begin, span.end)).collect::<Vec<_>>()
        };
        assert_eq!(of(Stage::Decode), [(2.0, 4.0), (5.0, 6.0), (7.0, 10.0)]);
        assert_eq!(of(Stage::Read).len(), 3);
        assert!(cut.is_sorted_by(|a, b| a.begin <= b.begin));
    }
}
