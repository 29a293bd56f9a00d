//! One loader, many users: prefixes, renaming, several dtypes and threads, progress, dropped handles.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use std::sync::Arc;
use support::{Checkpoint, Spec, assert_same, mapped};
use wcodec_candle::{VarBuilderExt, WcodecLoader};

const CPU: Device = Device::Cpu;

/// A model of `layers` layers, a head and nothing else.
fn layered(layers: usize) -> Checkpoint {
    let mut tensors = vec![Spec::weights("model.embed_tokens.weight", &[256, 64])];
    for layer in 0..layers {
        tensors.push(Spec::weights(
            &format!("model.layers.{layer}.attn.weight"),
            &[64, 64],
        ));
        tensors.push(Spec::weights(
            &format!("model.layers.{layer}.mlp.weight"),
            &[300, 64],
        ));
        tensors.push(Spec::weights(
            &format!("model.layers.{layer}.norm.weight"),
            &[64],
        ));
    }
    tensors.push(Spec::weights("model.norm.weight", &[64]));
    Checkpoint::new(&tensors)
}

#[test]
fn prefixes_renaming_and_other_dtypes() {
    let checkpoint = layered(3);
    let ours = VarBuilder::from_wcodec(&checkpoint.wcodec, DType::F32, &CPU).unwrap();
    let theirs = mapped(&checkpoint.safetensors, DType::F32);

    let layer = |vb: &VarBuilder<'static>| vb.pp("model").pp("layers").pp(1);
    let same = |a: VarBuilder<'_>, b: VarBuilder<'_>, name: &str| {
        assert!(a.contains_tensor(name) && b.contains_tensor(name));
        assert_same(
            &a.get((300, 64), name).unwrap(),
            &b.get((300, 64), name).unwrap(),
            name,
        );
    };
    same(layer(&ours), layer(&theirs), "mlp.weight");
    assert!(!ours.contains_tensor("mlp.weight") && !layer(&ours).contains_tensor("mlp"));

    same(
        layer(&ours).to_dtype(DType::BF16),
        layer(&theirs).to_dtype(DType::BF16),
        "mlp.weight",
    );
    same(
        layer(&ours).set_dtype(DType::F16),
        layer(&theirs).set_dtype(DType::F16),
        "mlp.weight",
    );
    same(
        layer(&ours).set_device(CPU),
        layer(&theirs).set_device(CPU),
        "mlp.weight",
    );

    let rename = |name: &str| name.replace("transformer.h", "model.layers");
    let (ours, theirs) = (ours.rename_f(rename), theirs.rename_f(rename));
    same(
        ours.pp("transformer.h.2"),
        theirs.pp("transformer.h.2"),
        "mlp.weight",
    );
}

#[test]
fn several_threads_share_a_var_builder_and_get_every_tensor() {
    let checkpoint = Arc::new(layered(8));
    for budget in [0, 50_000, 1 << 20] {
        let loader = WcodecLoader::builder()
            .decode_ahead_bytes(budget)
            .threads(2)
            .open(&checkpoint.wcodec)
            .unwrap();
        let vb = loader.var_builder(DType::F32, &CPU);
        let names: Vec<String> = loader.names().map(str::to_owned).collect();
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (vb, mut names, checkpoint) =
                    (vb.clone(), names.clone(), Arc::clone(&checkpoint));
                match thread {
                    0 => {}
                    1 => names.reverse(),
                    _ => names.rotate_left(thread * 5),
                }
                std::thread::spawn(move || {
                    let theirs = mapped(&checkpoint.safetensors, DType::F32);
                    for name in names {
                        assert_same(
                            &vb.get_unchecked(&name).unwrap(),
                            &theirs.get_unchecked(&name).unwrap(),
                            &name,
                        );
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        loader.finish().unwrap();
    }
}

#[test]
fn two_dtypes_at_once_do_not_mix() {
    let checkpoint = layered(8);
    let loader = WcodecLoader::open(&checkpoint.wcodec).unwrap();
    let dtypes = [DType::F32, DType::F16, DType::BF16];
    let builders = dtypes.map(|dtype| {
        (
            loader.var_builder(dtype, &CPU),
            mapped(&checkpoint.safetensors, dtype),
        )
    });
    for name in loader.names() {
        for (ours, theirs) in &builders {
            assert_same(
                &ours.get_unchecked(name).unwrap(),
                &theirs.get_unchecked(name).unwrap(),
                name,
            );
        }
    }
}

#[test]
fn a_var_builder_outlives_its_loader_and_its_finish() {
    let checkpoint = layered(4);
    let theirs = mapped(&checkpoint.safetensors, DType::F32);
    let loader = WcodecLoader::from_bytes(checkpoint.bytes()).unwrap();
    let names: Vec<String> = loader.names().map(str::to_owned).collect();
    let (first, second) = (
        loader.var_builder(DType::F32, &CPU),
        loader.clone().var_builder(DType::F32, &CPU),
    );
    for (at, name) in names.iter().enumerate() {
        let vb = if at % 2 == 0 { &first } else { &second };
        assert_same(
            &vb.get_unchecked(name).unwrap(),
            &theirs.get_unchecked(name).unwrap(),
            name,
        );
        if at == names.len() / 2 {
            loader.finish().unwrap();
            loader.finish().unwrap();
        }
    }
    let third = loader.var_builder(DType::F32, &CPU);
    drop((loader, first, second));
    for name in names.iter().rev() {
        assert_same(
            &third.get_unchecked(name).unwrap(),
            &theirs.get_unchecked(name).unwrap(),
            name,
        );
    }
}

#[test]
fn get_works_inside_another_rayon_pool() {
    use rayon::prelude::*;
    let checkpoint = layered(8);
    let loader = WcodecLoader::builder()
        .threads(1)
        .open(&checkpoint.wcodec)
        .unwrap();
    let (ours, theirs) = (
        loader.var_builder(DType::F32, &CPU),
        mapped(&checkpoint.safetensors, DType::F32),
    );
    let names: Vec<&str> = loader.names().collect();
    names.par_iter().for_each(|name| {
        assert_same(
            &ours.get_unchecked(name).unwrap(),
            &theirs.get_unchecked(name).unwrap(),
            name,
        );
    });
}

#[test]
fn progress_counts_each_tensor_once_and_ends_at_the_totals() {
    use std::sync::Mutex;
    let checkpoint = layered(2);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    let report = move |progress: wcodec_candle::Progress<'_>| {
        into.lock().unwrap().push((
            progress.name.to_owned(),
            progress.tensors_done,
            progress.bytes_done,
        ));
        assert_eq!(progress.tensors_total, 8);
        assert_eq!(
            progress.bytes_total,
            2 * (256 * 64 + 2 * (64 * 64 + 300 * 64 + 64) + 64)
        );
    };
    let loader = WcodecLoader::builder()
        .on_progress(report)
        .open(&checkpoint.wcodec)
        .unwrap();
    for _ in 0..2 {
        let vb = loader.var_builder(DType::F32, &CPU);
        for name in loader.names().chain(["model.embed_tokens.weight"]) {
            vb.get_unchecked(name).unwrap();
        }
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(
            seen.iter()
                .map(|(name, ..)| name.as_str())
                .collect::<Vec<_>>(),
            loader.names().collect::<Vec<_>>()
        );
        assert_eq!(
            seen.last().map(|(_, tensors, bytes)| (*tensors, *bytes)),
            Some((8, 126_336))
        );
    }
}
