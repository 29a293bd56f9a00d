//! A page of made-up results, with every plot.

use super::parts::{Loads, Part, PerplexityRow};
use super::write;
use crate::accuracy::AccuracyRow;
use crate::device::DtypeArg;
use crate::load::{LoadRow, Loader, Span, Stage, Storage, Timeline, row};
use crate::origin::{Measured, Origin};
use crate::perplexity::{Difference, Mean, Outcome, Quality};
use crate::size::{CodecSize, SizeRow, WHOLE};
use serde::Serialize;
use std::path::Path;

const NONE: Mean = Mean {
    value: 0.0,
    error: 0.0,
};

fn quality(perplexity: f64) -> Quality {
    Quality {
        tokens: 100,
        nll: Mean {
            value: perplexity.ln(),
            error: 0.01,
        },
        perplexity,
        top1_percent: 42.0,
    }
}

fn difference(perplexity: f64) -> Difference {
    Difference {
        nll: NONE,
        perplexity: Mean {
            value: perplexity,
            error: 0.1,
        },
        top1_points: NONE,
        divergence: NONE,
        divergence_999: 0.0,
        largest_logit_difference: 0.0,
        logits_equal: perplexity == 0.0,
    }
}

fn load(loader: Loader, storage: Storage, seconds: f64) -> LoadRow {
    row(loader, storage, &[seconds])
}

fn save(part: Part, folder: &Path, results: impl Serialize) {
    let mut origin = Origin::read(Some("here"), &[], &[]).unwrap();
    let inputs = &mut origin.inputs_sha256;
    inputs.insert("m/f32/model.safetensors".into(), "0123abc".into());
    let measured = Measured { origin, results };
    let path = folder.join(format!("{}.json", part.name()));
    std::fs::write(path, serde_json::to_string(&measured).unwrap()).unwrap();
}

#[test]
fn pages_hold_what_was_measured_and_say_who_wins() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let outcome = Outcome {
        name: "a".into(),
        against: Some("b".into()),
        dtype: DtypeArg::F32,
        quality: quality(12.5),
        quality_against: Some(quality(12.5)),
        difference: Some(difference(0.0)),
    };
    let row = PerplexityRow {
        model: "m".into(),
        stored: "f32".into(),
        outcome,
    };
    save(Part::Perplexity, folder, vec![row]);
    let formats = [
        ("F32", 4000, 3325, 12.5),
        ("INT8 per row", 1012, 937, 12.6),
        ("INT4 per tensor", 500, 437, 20.0),
    ];
    let rows = formats.map(|(format, raw_bytes, coded_bytes, perplexity)| AccuracyRow {
        model: "m".into(),
        format: format.into(),
        weights: 1000,
        raw_bytes,
        coded_bytes,
        quality: quality(perplexity),
        difference: difference(perplexity - 12.5),
    });
    save(Part::Accuracy, folder, rows);
    let codec = |name: &str, coded_bytes, speed| CodecSize {
        codec: name.into(),
        coded_bytes,
        decode_gb_per_s: Some(speed),
    };
    let size = SizeRow {
        model: "m".into(),
        format: "BF16".into(),
        class: WHOLE.into(),
        weights: 1000,
        raw_bytes: 2000,
        codecs: vec![codec("wcodec", 1325, 2.0), codec("zstd -3", 1560, 0.7)],
    };
    save(Part::Size, folder, [size]);
    let storages = [
        Storage::Warm,
        Storage::Throttled(0.2),
        Storage::Throttled(1.0),
    ];
    let loads = storages.into_iter().flat_map(|storage| {
        let ours = if storage == Storage::Warm { 2.0 } else { 0.5 };
        [
            load(Loader::Pread, storage, 1.0),
            load(Loader::Wcodec, storage, ours),
        ]
    });
    let span = |stage, begin, end| Span {
        stage,
        thread: "t".into(),
        name: String::new(),
        begin,
        end,
        busy: None,
    };
    let timeline = Timeline {
        model: "m".into(),
        loader: Loader::Wcodec,
        storage: Storage::Warm,
        residency: None,
        spans: vec![
            span(Stage::Read, 0.0, 0.5),
            span(Stage::FirstToken, 0.5, 1.0),
        ],
    };
    save(
        Part::Load,
        folder,
        Loads {
            rows: loads.collect(),
            timelines: vec![timeline],
        },
    );

    let trace = folder.join("trace.json");
    write::page(folder, Some(&trace)).unwrap();
    let page = std::fs::read_to_string(folder.join("report.md")).unwrap();
    assert!(page.starts_with("# WCodec evaluated: here\n"));
    assert!(page.contains("wcodec is the fastest: m 0.2 GB/s, m 1 GB/s. "));
    assert!(page.contains("It loses: m warm (to parallel pread, by a factor of 2.00)."));
    assert!(page.contains("but the first is predicted, up to 1000 in all."));
    assert!(page.contains("| the same bits |") && page.contains("| INT8 per row"));
    assert!(page.contains("| m/f32/model.safetensors | 0123abc |"));
    assert!(page.contains(env!("WCODEC_BUILD_COMMIT")));
    for (picture, words) in [
        ("size-perplexity-m.svg", "+7.5000 ± 0.1000"),
        ("size-speed-m-bf16.svg", "66.2 %"),
        ("storage-m.svg", "speed of the storage, GB/s"),
        ("timeline-m.svg", "wcodec: read"),
    ] {
        assert!(page.contains(&format!("]({picture})")), "{picture}");
        let svg = std::fs::read_to_string(folder.join(picture)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains(words), "{picture}");
    }
    assert!(
        std::fs::read_to_string(folder.join("report.html"))
            .unwrap()
            .contains("<img src=\"timeline-m.svg\"")
    );
    assert!(
        std::fs::read_to_string(trace)
            .unwrap()
            .contains("wcodec, m, warm (unchecked)")
    );

    std::fs::write(folder.join("size.json"), "{}").unwrap();
    let error = format!("{:#}", write::page(folder, None).unwrap_err());
    assert!(
        error.contains("size.json is not of this version"),
        "{error}"
    );
}
