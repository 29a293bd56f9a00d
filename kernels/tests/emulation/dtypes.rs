//! Every dtype, plain: rANS, packed codes, stored and constant chunks, at odd lengths.

use super::compare::check_file;
use super::support::{Random, Tensor, encode_with, weights};
use std::collections::BTreeSet;
use wcodec::{Dtype, Effort, Tool};

/// Weights where there are such, else small numbers.
fn tensor(dtype: Dtype, elems: u64, seed: u64) -> Tensor {
    let bytes = usize::try_from(dtype.bytes_of(elems).unwrap()).unwrap();
    let floats = [Dtype::BF16, Dtype::F16, Dtype::F32, Dtype::F64];
    let content = if floats.contains(&dtype) {
        weights(dtype, usize::try_from(elems).unwrap(), 0.02, seed)
    } else {
        let width = usize::try_from(dtype.bits().div_ceil(8)).unwrap();
        let mut random = Random(seed);
        // Small values, now and then a large one.
        let byte = |at: usize, bits: u64| {
            let [low, .., high] = bits.to_le_bytes();
            match (bits >> 8).is_multiple_of(97) {
                true => low,
                false if at.is_multiple_of(width) => high >> 4,
                false => 0,
            }
        };
        (0..bytes).map(|at| byte(at, random.bits())).collect()
    };
    Tensor::new(&format!("{dtype} {elems}"), dtype, &[elems], content)
}

fn tensors(lengths: &[u64]) -> Vec<Tensor> {
    let of_dtype = |&dtype: &Dtype| {
        lengths
            .iter()
            .map(move |&elems| tensor(dtype, elems, elems + 1))
    };
    Dtype::ALL.iter().flat_map(of_dtype).collect()
}

#[test]
fn every_dtype_at_odd_lengths() {
    let mut kernels = BTreeSet::new();
    for only in [
        None,
        Some(Tool::Split),
        Some(Tool::Packed),
        Some(Tool::Stored),
    ] {
        // F4 and F6 need whole bytes.
        let lengths = [4, 8, 252, 256, 260, 1000, 8188, 70_004];
        kernels.extend(check_file(&encode_with(
            &tensors(&lengths),
            only,
            Effort::Default,
        )));
    }
    let plain = wcodec_kernels::KERNELS
        .iter()
        .filter(|name| !name.starts_with("tools") && !name.contains("_to_"));
    for name in plain {
        assert!(kernels.contains(name), "{name} never ran: {kernels:?}");
    }
}

#[test]
fn large_tensors_have_many_chunks() {
    let large = [
        tensor(Dtype::BF16, 400_001, 1),
        tensor(Dtype::F32, 150_000, 2),
        tensor(Dtype::I8, 300_007, 3),
    ];
    let kernels = check_file(&encode_with(&large, None, Effort::Default));
    assert!(kernels.contains("rans_bf16"), "{kernels:?}");
}

#[test]
fn real_weights() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/models/tinystories-3m.wcodec"
    );
    let kernels = check_file(&std::fs::read(path).unwrap());
    assert!(kernels.len() > 1, "{kernels:?}");
}

#[test]
fn golden_files() {
    for name in ["chunks", "example", "modes", "tools"] {
        let path = format!(
            "{}/../wcodec/tests/golden/v2_{name}.wcodec",
            env!("CARGO_MANIFEST_DIR")
        );
        check_file(&std::fs::read(path).unwrap());
    }
}
