//! Timelines as Chrome's trace events, which Perfetto opens.

use super::timeline::{Span, Timeline};
use serde_json::{Value, json};

/// Timelines for Perfetto.
pub(crate) fn trace_json(timelines: &[Timeline]) -> Value {
    let named = timelines.iter().map(|timeline| {
        let name = format!(
            "{}, {}, {}",
            timeline.loader.words(),
            timeline.model,
            timeline.storage_words()
        );
        (name, timeline.spans.as_slice())
    });
    chrome_trace(named)
}

/// A process each, in it a thread each.
fn chrome_trace<'a>(timelines: impl Iterator<Item = (String, &'a [Span])>) -> Value {
    let mut events = Vec::new();
    for (process, (name, spans)) in timelines.enumerate() {
        let args = json!({"name": name});
        events.push(json!({"name": "process_name", "ph": "M", "pid": process, "args": args}));
        let mut threads: Vec<&str> = Vec::new();
        for span in spans {
            let thread = threads.iter().position(|thread| *thread == span.thread);
            let thread = thread.unwrap_or_else(|| {
                threads.push(&span.thread);
                let thread = threads.len() - 1;
                let args = json!({"name": span.thread});
                events.push(json!({"name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": args}));
                thread
            });
            events.push(event(span, process, thread));
        }
    }
    json!({"traceEvents": events, "displayTimeUnit": "ms"})
}

/// One span; of joined ones, how much of it was work.
fn event(span: &Span, process: usize, thread: usize) -> Value {
    let name = format!("{} {}", span.stage.words(), span.name);
    let percent = 100.0 * span.busy_share();
    let (name, args) = match span.busy {
        Some(_) => (
            format!("{name}({percent:.0} % busy)"),
            json!({"busy_percent": percent}),
        ),
        None => (name.trim().to_owned(), json!({})),
    };
    json!({
        "name": name,
        "cat": span.stage.words(),
        "ph": "X",
        "ts": span.begin * 1e6,
        "dur": (span.end - span.begin) * 1e6,
        "pid": process,
        "tid": thread,
        "args": args,
    })
}

#[cfg(test)]
mod tests {
    use super::super::recorder::Recorder;
    use super::super::timeline::Stage;
    use super::*;
    use std::time::Instant;

    #[test]
    fn traces_name_processes_and_threads_once() {
        let recorder = Recorder::new(Instant::now());
        recorder.add(Stage::Open, "", Instant::now());
        recorder.add(Stage::Read, "5 bytes", Instant::now());
        let mut spans = recorder.take();
        assert!(spans.iter().all(|span| span.begin <= span.end) && recorder.take().is_empty());
        spans.push(Span {
            name: String::new(),
            begin: 1.0,
            end: 2.0,
            busy: Some(0.25),
            ..spans[1].clone()
        });
        let trace = chrome_trace([("one".to_owned(), spans.as_slice())].into_iter());
        let events = trace["traceEvents"].as_array().unwrap();
        let phases: Vec<&str> = events
            .iter()
            .map(|event| event["ph"].as_str().unwrap())
            .collect();
        assert_eq!(phases, ["M", "M", "X", "X", "X"]);
        assert_eq!(events[2]["name"], "open");
        assert_eq!(events[3]["name"], "read 5 bytes");
        assert_eq!(events[4]["name"], "read (25 % busy)");
        assert_eq!(events[4]["args"]["busy_percent"], 25.0);
    }
}
