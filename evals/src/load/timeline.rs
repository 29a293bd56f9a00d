//! What was done when, by which thread.

use super::rows::{Residency, Storage};
use super::task::Loader;
use serde::{Deserialize, Serialize};

/// Share of a load below which a gap between two pieces of work is too short to see.
const GAP_SHARE: f64 = 1.0 / 2000.0;
/// Share of a load up to which pieces are joined over such gaps, however idle they leave it.
const CELL_SHARE: f64 = 1.0 / 250.0;
/// From this busy share on, pieces are joined to any length.
const BUSY_SHARE: f64 = 0.98;

/// A kind of work in a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Header and index.
    Open,
    /// Bytes from the storage into memory, and waiting for them.
    Read,
    /// From memory into tensors, cast on the way.
    Copy,
    /// Decoding, without the reads of the same thread.
    Decode,
    /// The model asks for a tensor, waits for it and gets it.
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

/// One piece of work, or some that a picture cannot show apart, in seconds from the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) stage: Stage,
    pub(crate) thread: String,
    pub(crate) name: String,
    pub(crate) begin: f64,
    pub(crate) end: f64,
    /// Seconds of it that were work, where it is joined over gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) busy: Option<f64>,
}

impl Span {
    /// Seconds of work in it.
    pub(crate) fn busy_seconds(&self) -> f64 {
        self.busy.unwrap_or(self.end - self.begin)
    }

    /// How much of it was work, from 0 to 1.
    pub(crate) fn busy_share(&self) -> f64 {
        match self.end - self.begin {
            length if length > 0.0 => (self.busy_seconds() / length).clamp(0.0, 1.0),
            _ => 1.0,
        }
    }

    /// It and a later one of the same kind and thread; what both cover counts once.
    fn joined(&self, later: &Self) -> Self {
        let covered = (self.end - later.begin).clamp(0.0, later.end - later.begin);
        let busy = self.busy_seconds() + (later.busy_seconds() - covered).max(0.0);
        let end = self.end.max(later.end);
        Self {
            name: String::new(),
            end,
            busy: (busy < end - self.begin).then_some(busy),
            ..self.clone()
        }
    }
}

/// One recorded load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) model: String,
    pub(crate) loader: Loader,
    pub(crate) storage: Storage,
    /// What was found in the page cache right before it; None where nobody can tell.
    pub(crate) residency: Option<Residency>,
    pub(crate) spans: Vec<Span>,
}

impl Timeline {
    /// Where the bytes were, and whether that is certain.
    pub(crate) fn storage_words(&self) -> String {
        self.storage.words_as_found(self.residency)
    }

    /// Joins work of one kind and thread over gaps too short to see: into one span as long as nearly all of it is work,
    /// else into cells of a few pixels, each with its own busy share.
    pub(crate) fn merge(&mut self) {
        let load = self.spans.iter().map(|span| span.end).fold(0.0, f64::max);
        let mut merged: Vec<Span> = Vec::new();
        for span in std::mem::take(&mut self.spans) {
            let alike =
                |other: &&mut Span| other.stage == span.stage && other.thread == span.thread;
            let last = merged.iter_mut().rev().find(alike);
            let near = last.filter(|last| span.begin - last.end < load * GAP_SHARE);
            let joined = near.map(|last| (last.joined(&span), last));
            match joined {
                Some((joined, last))
                    if joined.busy_share() >= BUSY_SHARE
                        || joined.end - joined.begin <= load * CELL_SHARE =>
                {
                    *last = joined;
                }
                _ => merged.push(span),
            }
        }
        self.spans = merged;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn span(stage: Stage, thread: &str, begin: f64, end: f64) -> Span {
        Span {
            stage,
            thread: thread.to_owned(),
            name: "x".to_owned(),
            begin,
            end,
            busy: None,
        }
    }

    fn merged(spans: Vec<Span>) -> Vec<Span> {
        let mut timeline = Timeline {
            model: "m".into(),
            loader: Loader::Wcodec,
            storage: Storage::Warm,
            residency: None,
            spans,
        };
        timeline.merge();
        timeline.spans
    }

    #[test]
    fn work_joins_over_gaps_too_short_to_see() {
        let spans = merged(vec![
            span(Stage::Read, "a", 0.0, 1.0),
            span(Stage::Decode, "a", 1.0, 2.0),
            span(Stage::Read, "b", 1.0, 2.0),
            span(Stage::Read, "a", 1.000_1, 3.0),
            span(Stage::Read, "a", 4.0, 5.0),
        ]);
        let ends: Vec<(f64, f64)> = spans.iter().map(|span| (span.begin, span.end)).collect();
        assert_eq!(ends, [(0.0, 3.0), (1.0, 2.0), (1.0, 2.0), (4.0, 5.0)]);
        assert!((spans[0].busy_seconds() - 2.9999).abs() < 1e-9 && spans[0].busy_share() < 1.0);
        assert_eq!((spans[1].busy, spans[1].name.as_str()), (None, "x"));
    }

    /// Joining whatever gap is short gave one solid bar over the whole load.
    #[test]
    fn work_that_is_mostly_idle_stays_mostly_idle() {
        // A tenth of each 4 ms of ten seconds.
        let begins = (0..2500u32).map(|i| f64::from(i) * 0.004);
        let mut spans: Vec<Span> = begins
            .map(|begin| span(Stage::Read, "a", begin, begin + 0.0004))
            .collect();
        spans.push(span(Stage::FirstToken, "a", 9.999, 10.0));
        let merged = merged(spans);
        let reads: Vec<&Span> = merged.iter().filter(|s| s.stage == Stage::Read).collect();
        assert!((200..300).contains(&reads.len()), "{}", reads.len());
        for read in &reads {
            assert!(
                read.end - read.begin <= 0.04 && read.busy_share() < 0.2,
                "{read:?}"
            );
        }
        let busy: f64 = reads.iter().map(|span| span.busy_seconds()).sum();
        assert!((busy - 1.0).abs() < 1e-6, "{busy}");
    }

    #[test]
    fn what_lies_inside_counts_once() {
        let spans = merged(vec![
            span(Stage::Decode, "a", 0.0, 4.0),
            span(Stage::Decode, "a", 1.0, 2.0),
            span(Stage::Decode, "a", 3.0, 5.0),
        ]);
        assert_eq!(spans.len(), 1);
        assert_eq!((spans[0].end, spans[0].busy), (5.0, None));
    }
}
