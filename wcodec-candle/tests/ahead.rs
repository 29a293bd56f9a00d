//! What is decoded ahead, and what never is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use candle_core::{DType, Device};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::recorder::{Recorder, damage, overlap, payload_of};
use support::{Checkpoint, assert_same, mapped};
use wcodec_candle::{Decoded, WcodecLoader};

const CPU: Device = Device::Cpu;
const Q: &str = "self_attn.q_proj.weight";
const UP: &str = "mlp.up_proj.weight";

/// Waits until a condition holds, or fails.
#[track_caller]
fn eventually(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_is_not_asked_for_is_not_read() {
    let checkpoint = Checkpoint::five_layers();
    let bytes = checkpoint.bytes();
    let recorder = Recorder::new(&bytes);
    let loader = recorder.loader(WcodecLoader::builder());
    let vb = loader.var_builder(DType::F32, &CPU);
    let was_read = |name: &str| {
        let payload = payload_of(&bytes, name);
        recorder
            .reads()
            .iter()
            .any(|&read| payload.iter().any(|&range| overlap(read, range)))
    };
    assert!(
        !loader.names().any(was_read),
        "a VarBuilder alone reads nothing"
    );

    vb.get_unchecked("model.embed_tokens.weight").unwrap();
    for layer in 0..2 {
        vb.get_unchecked(&format!("model.layers.{layer}.{Q}"))
            .unwrap();
    }
    eventually(|| (0..4).all(|layer| was_read(&format!("model.layers.{layer}.{Q}"))));
    assert!(
        !was_read(&format!("model.layers.0.{UP}")),
        "none like it was asked for"
    );
    for layer in 0..4 {
        vb.get_unchecked(&format!("model.layers.{layer}.{UP}"))
            .unwrap();
    }
    loader.finish().unwrap();
    let unread: Vec<&str> = loader.names().filter(|name| !was_read(name)).collect();
    let mut expected: Vec<String> = (0..5)
        .map(|layer| format!("model.layers.{layer}.rotary.inv_freq"))
        .collect();
    expected.extend([
        format!("model.layers.4.{Q}"),
        format!("model.layers.4.{UP}"),
    ]);
    expected.sort();
    let mut sorted = unread;
    sorted.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn each_tensor_is_read_once_and_the_budget_holds() {
    let checkpoint = Checkpoint::five_layers();
    let bytes = checkpoint.bytes();
    let q_bytes = 256 * 128 * 4;
    let recorder = Recorder::new(&bytes);
    let loader = recorder.loader(WcodecLoader::builder().decode_ahead_bytes(q_bytes + q_bytes / 2));
    let vb = loader.var_builder(DType::F32, &CPU);
    let reads_of = |layer: u32| {
        let payload = payload_of(&bytes, &format!("model.layers.{layer}.{Q}"));
        recorder
            .reads()
            .iter()
            .filter(|read| payload.contains(read))
            .count()
    };
    vb.get_unchecked(&format!("model.layers.0.{Q}")).unwrap();
    eventually(|| reads_of(1) > 0);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(reads_of(2), 0, "the budget has room for one");
    for layer in 1..4 {
        vb.get_unchecked(&format!("model.layers.{layer}.{Q}"))
            .unwrap();
    }
    loader.finish().unwrap();
    for layer in 0..4 {
        assert_eq!(
            reads_of(layer),
            payload_of(&bytes, &format!("model.layers.{layer}.{Q}")).len()
        );
    }
    vb.get_unchecked(&format!("model.layers.0.{Q}")).unwrap();
    assert_eq!(
        reads_of(0),
        2 * payload_of(&bytes, &format!("model.layers.0.{Q}")).len(),
        "no copy was kept"
    );
}

#[test]
fn a_panic_while_decoding_ahead_hangs_nothing() {
    let checkpoint = Checkpoint::five_layers();
    let bytes = checkpoint.bytes();
    let broken = format!("model.layers.1.{Q}");
    let theirs = mapped(&checkpoint.safetensors, DType::F32);
    let recorder = Recorder::new(&bytes).panics_at(payload_of(&bytes, &broken));
    let loader = recorder.loader(WcodecLoader::builder());
    let vb = loader.var_builder(DType::F32, &CPU);
    for name in [0, 2, 3, 0].map(|layer| format!("model.layers.{layer}.{Q}")) {
        assert_same(
            &vb.get_unchecked(&name).unwrap(),
            &theirs.get_unchecked(&name).unwrap(),
            &name,
        );
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        vb.get_unchecked(&broken).is_ok()
    }));
    assert!(outcome.is_err(), "the panic of the source comes through");
    vb.get_unchecked(&format!("model.layers.1.{UP}")).unwrap();
    loader.finish().unwrap();
}

/// Keeps the names of what was decoded.
fn noting(into: &Arc<Mutex<Vec<String>>>) -> impl Fn(Decoded<'_>) + Send + Sync + 'static {
    let (into, start) = (Arc::clone(into), Instant::now());
    move |decoded| {
        assert!(!decoded.on_device && (start..=Instant::now()).contains(&decoded.begin));
        into.lock().unwrap().push(decoded.name.to_owned());
    }
}

#[test]
fn each_tensor_is_reported_once_when_it_was_decoded_whoever_did() {
    let checkpoint = Checkpoint::five_layers();
    for (ahead_bytes, threads) in [(256 << 20, 0), (256 << 20, 1), (0, 2)] {
        let decoded = Arc::default();
        let builder = WcodecLoader::builder().on_decoded(noting(&decoded));
        let builder = builder.decode_ahead_bytes(ahead_bytes).threads(threads);
        let loader = builder.open(&checkpoint.wcodec).unwrap();
        for _ in 0..2 {
            let vb = loader.var_builder(DType::F32, &CPU);
            for name in loader.names() {
                vb.get_unchecked(name).unwrap();
                let is_reported = decoded.lock().unwrap().iter().any(|of| of == name);
                assert!(is_reported, "{name} is whole and was not reported");
            }
            loader.finish().unwrap();
            let mut names = std::mem::take(&mut *decoded.lock().unwrap());
            names.sort();
            let mut expected: Vec<&str> = loader.names().collect();
            expected.sort_unstable();
            assert_eq!(names, expected, "once each");
        }
    }
}

#[test]
fn what_cannot_be_decoded_is_not_reported() {
    let checkpoint = Checkpoint::five_layers();
    let mut bytes = checkpoint.bytes();
    let broken = format!("model.layers.1.{Q}");
    damage(&mut bytes, &broken);
    let decoded = Arc::default();
    let builder = WcodecLoader::builder().on_decoded(noting(&decoded));
    let loader = builder.from_bytes(bytes).unwrap();
    let vb = loader.var_builder(DType::F32, &CPU);
    let failed = loader
        .names()
        .filter(|name| vb.get_unchecked(name).is_err());
    assert_eq!(failed.collect::<Vec<_>>(), [&broken]);
    loader.finish().unwrap();
    let names = decoded.lock().unwrap();
    assert!(names.len() + 1 == loader.names().count() && !names.contains(&broken));
}
