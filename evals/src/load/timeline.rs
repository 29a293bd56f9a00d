//! What was done when, by which thread.

use super::prepared::Timeline;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A kind of work in a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Header and index.
    Open,
    /// Bytes from the storage into memory.
    Read,
    /// From memory into tensors, cast on the way.
    Copy,
    /// Decoding; the reads of the same thread lie inside.
    Decode,
    /// The model asks for a tensor and gets it.
    Build,
    /// The first forward pass.
    FirstToken,
}

impl Stage {
    pub(crate) const ALL: [Self; 6] = [
        Self::Open,
        Self::Read,
        Self::Copy,
        Self::Decode,
        Self::Build,
        Self::FirstToken,
    ];

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Copy => "copy",
            Self::Decode => "decode",
            Self::Build => "build",
            Self::FirstToken => "first token",
        }
    }
}

/// One piece of work, in seconds from the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) stage: Stage,
    pub(crate) thread: String,
    pub(crate) name: String,
    pub(crate) begin: f64,
    pub(crate) end: f64,
}

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
        spans
    }
}

/// Timelines for Perfetto.
pub(crate) fn trace_json(timelines: &[Timeline]) -> Value {
    let named = timelines.iter().map(|timeline| {
        let name = format!(
            "{}, {}, {}",
            timeline.loader.words(),
            timeline.model,
            timeline.storage.words()
        );
        (name, timeline.spans.clone())
    });
    chrome_trace(&named.collect::<Vec<_>>())
}

/// Timelines as Chrome's trace events, which Perfetto opens: a process each, a thread each.
fn chrome_trace(timelines: &[(String, Vec<Span>)]) -> Value {
    let mut events = Vec::new();
    for (process, (name, spans)) in timelines.iter().enumerate() {
        events.push(
            json!({"name": "process_name", "ph": "M", "pid": process, "args": {"name": name}}),
        );
        let mut threads: Vec<&str> = Vec::new();
        for span in spans {
            let thread = threads.iter().position(|thread| *thread == span.thread);
            let thread = thread.unwrap_or_else(|| {
                threads.push(&span.thread);
                let args = json!({"name": span.thread});
                events.push(json!({"name": "thread_name", "ph": "M", "pid": process, "tid": threads.len() - 1, "args": args}));
                threads.len() - 1
            });
            events.push(json!({
                "name": format!("{} {}", span.stage.words(), span.name).trim(),
                "cat": span.stage.words(),
                "ph": "X",
                "ts": span.begin * 1e6,
                "dur": (span.end - span.begin) * 1e6,
                "pid": process,
                "tid": thread,
            }));
        }
    }
    json!({"traceEvents": events, "displayTimeUnit": "ms"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_name_processes_and_threads_once() {
        let recorder = Recorder::new(Instant::now());
        recorder.add(Stage::Open, "", Instant::now());
        recorder.add(Stage::Read, "5 bytes", Instant::now());
        let spans = recorder.take();
        assert!(spans.iter().all(|span| span.begin <= span.end) && recorder.take().is_empty());
        let trace = chrome_trace(&[("one".to_owned(), spans)]);
        let events = trace["traceEvents"].as_array().unwrap();
        let phases: Vec<&str> = events
            .iter()
            .map(|event| event["ph"].as_str().unwrap())
            .collect();
        assert_eq!(phases, ["M", "M", "X", "X"]);
        assert_eq!(events[3]["name"], "read 5 bytes");
        assert_eq!(events[2]["name"], "open");
    }
}
