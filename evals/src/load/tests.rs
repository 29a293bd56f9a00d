//! Every loader gives the same model.

use super::child::{Task, load};
use super::prepared::Prepared;
use super::*;
use crate::model::tests::embedded;
use wcodec::Reader;
use wcodec::checkpoint::{ExportOptions, export};

#[test]
fn every_loader_gives_the_same_logits_from_every_storage() {
    let folder = tempfile::tempdir().unwrap();
    let restored = folder.path().join("restored");
    export(
        &Reader::open(embedded()).unwrap(),
        &restored,
        &ExportOptions::default(),
    )
    .unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let prepared = Prepared::make("m".into(), &restored, None, None, &work).unwrap();
    for dtype in [DtypeArg::F32, DtypeArg::BF16] {
        let mut logits = Vec::new();
        for storage in [Storage::Warm, Storage::Throttled(0.02)] {
            for loader in Loader::ALL {
                let task = prepared.task(loader, storage, dtype, DeviceArg::Cpu);
                let measured = load(&Task {
                    trace: true,
                    ..task
                })
                .unwrap();
                assert!(measured.open <= measured.built && measured.built < measured.first_token);
                if loader != Loader::Candle {
                    let read = measured
                        .spans
                        .iter()
                        .filter(|span| span.stage == Stage::Read);
                    assert!(read.count() > 1, "{loader:?}");
                    if let Storage::Throttled(speed) = storage {
                        let bytes: u64 = prepared
                            .files(loader)
                            .iter()
                            .map(|path| path.metadata().unwrap().len())
                            .sum();
                        // The tokenizer that rides along is not read.
                        let least = (bytes as f64 - 2e5) / speed / 1e9;
                        assert!(
                            measured.built >= least,
                            "{loader:?}: {} of {least} s",
                            measured.built
                        );
                    }
                }
                if loader == Loader::Wcodec {
                    assert!(
                        measured
                            .spans
                            .iter()
                            .any(|span| span.stage == Stage::Decode)
                    );
                }
                logits.push(measured.logits);
            }
        }
        logits.dedup();
        assert_eq!(logits.len(), 1, "{dtype}");
    }
}

#[test]
fn medians_and_their_spread() {
    let spread = Spread::of([3.0, 1.0, 2.0, 10.0].into_iter());
    assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 10.0));
    assert_eq!(Spread::of([5.0].into_iter()).median, 5.0);
}

#[test]
fn timelines_join_what_follows_closely() {
    let span = |stage, thread: &str, begin, end| Span {
        stage,
        thread: thread.to_owned(),
        name: "x".to_owned(),
        begin,
        end,
    };
    let mut timeline = Timeline {
        model: "m".into(),
        loader: Loader::Wcodec,
        storage: Storage::Warm,
        spans: vec![
            span(Stage::Read, "a", 0.0, 1.0),
            span(Stage::Decode, "a", 1.0, 2.0),
            span(Stage::Read, "b", 1.0, 2.0),
            span(Stage::Read, "a", 1.000_1, 3.0),
            span(Stage::Read, "a", 4.0, 5.0),
        ],
    };
    timeline.merge();
    let spans: Vec<(f64, f64)> = timeline
        .spans
        .iter()
        .map(|span| (span.begin, span.end))
        .collect();
    assert_eq!(spans, [(0.0, 3.0), (1.0, 2.0), (1.0, 2.0), (4.0, 5.0)]);
}
