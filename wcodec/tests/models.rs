//! Real checkpoints, there and back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking, in helpers too"
)]

use std::path::{Path, PathBuf};
use wcodec::{Effort, Reader, checkpoint};

/// The folder of real models, if it is there.
fn models() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let folder = std::env::var_os("WCODEC_MODELS").map_or(default, PathBuf::from);
    if !folder.is_dir() {
        println!(
            "skipped: no models at {} (set WCODEC_MODELS)",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

/// Encodes, verifies and restores a checkpoint; returns bits per weight of the file without its attachments.
fn round_trip(folder: &Path, effort: Effort) -> f64 {
    let out = tempfile::tempdir().unwrap();
    let (file, restored) = (out.path().join("m.wcodec"), out.path().join("restored"));
    let options = checkpoint::ImportOptions {
        effort,
        ..Default::default()
    };
    let summary = checkpoint::import(folder, &file, &options).unwrap();
    let reader = Reader::open(&file).unwrap();
    let verify = checkpoint::VerifyOptions {
        against: Some(folder),
        ..Default::default()
    };
    checkpoint::verify(&reader, &verify).unwrap();
    let exported =
        checkpoint::export(&reader, &restored, &checkpoint::ExportOptions::default()).unwrap();
    assert!(exported.files.len() >= 2, "weights and config.json");
    for path in exported.files {
        let original = folder.join(path.file_name().unwrap());
        assert!(
            std::fs::read(&path).unwrap() == std::fs::read(&original).unwrap(),
            "{} differs",
            path.display()
        );
    }
    let coded = summary.file_bytes - summary.attachment_bytes;
    8.0 * coded as f64 / summary.num_elems as f64
}

#[test]
fn every_model_round_trips_in_every_dtype() {
    let Some(models) = models() else { return };
    for model in [
        "stories260K",
        "tiny1m",
        "tinystories-3m",
        "stories7m",
        "stories15M-layers",
    ] {
        for dtype in ["f32", "bf16", "f16"] {
            let bpw = round_trip(&models.join(model).join(dtype), Effort::Default);
            println!("{model} {dtype}: {bpw:.3} b/w");
        }
    }
}

#[test]
fn sizes_hold() {
    let Some(models) = models() else { return };
    let layers = models.join("stories15M-layers");
    for (dtype, effort, most) in [
        ("bf16", Effort::Default, 10.65),
        ("f32", Effort::Default, 26.8),
        ("f16", Effort::Default, 13.8),
        ("bf16", Effort::Fast, 10.70),
        ("bf16", Effort::Max, 10.70),
    ] {
        let bpw = round_trip(&layers.join(dtype), effort);
        println!("stories15M-layers {dtype} {effort:?}: {bpw:.3} b/w");
        assert!(
            bpw <= most,
            "{dtype} {effort:?}: {bpw:.3} b/w, more than {most}"
        );
    }
}
