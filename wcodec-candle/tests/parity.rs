//! Every tensor equals, bit for bit, the one that candle's own loader gives.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use candle_core::{DType, Device};
use safetensors::Dtype;
use std::path::Path;
use support::{Checkpoint, Noise, Spec, assert_same, encode, mapped, real_models, root};
use wcodec_candle::WcodecLoader;

const CPU: Device = Device::Cpu;
const LOADABLE: [Dtype; 15] = [
    Dtype::U8,
    Dtype::U16,
    Dtype::U32,
    Dtype::I16,
    Dtype::I32,
    Dtype::I64,
    Dtype::BF16,
    Dtype::F16,
    Dtype::F32,
    Dtype::F64,
    Dtype::F8_E4M3,
    Dtype::F6_E2M3,
    Dtype::F6_E3M2,
    Dtype::F4,
    Dtype::F8_E8M0,
];
const TARGETS: [DType; 14] = [
    DType::U8,
    DType::U32,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::BF16,
    DType::F16,
    DType::F32,
    DType::F64,
    DType::F8E4M3,
    DType::F6E2M3,
    DType::F6E3M2,
    DType::F4,
    DType::F8E8M0,
];

/// Compares every tensor of two files in one dtype: both give the same tensor or the same error.
fn compare(wcodec: &Path, safetensors: &Path, dtype: DType) {
    let loader = WcodecLoader::open(wcodec).unwrap();
    let (ours, theirs) = (loader.var_builder(dtype, &CPU), mapped(safetensors, dtype));
    // candle's cast of F8E4M3 to F64 does not return: a test of its own below.
    let casts = |name: &&str| {
        dtype != DType::F64 || loader.info(name).unwrap().dtype != wcodec::Dtype::F8_E4M3
    };
    for name in loader.names().filter(casts) {
        let what = format!("{name} as {dtype:?}");
        let shape = loader.info(name).unwrap().shape.iter();
        let shape: Vec<usize> = shape.map(|&dim| usize::try_from(dim).unwrap()).collect();
        let pairs = [
            (ours.get_unchecked(name), theirs.get_unchecked(name)),
            (ours.get(shape.clone(), name), theirs.get(shape, name)),
        ];
        for pair in pairs {
            match pair {
                (Ok(ours), Ok(theirs)) => assert_same(&ours, &theirs, &what),
                (Err(ours), Err(theirs)) => {
                    assert_eq!(root(ours).to_string(), root(theirs).to_string(), "{what}")
                }
                (ours, theirs) => panic!("{what}: {ours:?} where candle says {theirs:?}"),
            }
        }
    }
}

#[test]
fn every_dtype_and_shape_in_every_dtype() {
    let shapes: [&[usize]; 6] = [&[], &[0], &[3, 0, 4], &[4], &[12, 20], &[260, 516]];
    let mut tensors = Vec::new();
    for dtype in LOADABLE {
        for shape in shapes {
            let packed = shape.iter().product::<usize>() * dtype.bitsize() % 8 != 0;
            if !packed {
                tensors.push(Spec::noise(&format!("{dtype:?}.{shape:?}"), dtype, shape));
            }
        }
    }
    let checkpoint = Checkpoint::new(&tensors);
    for dtype in TARGETS {
        compare(&checkpoint.wcodec, &checkpoint.safetensors, dtype);
    }
}

#[test]
fn every_bf16_and_f16_pattern_and_hard_f32_and_f64_patterns() {
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    // Every upper half with the lower halves where rounding to BF16 or F16 ties, just misses a tie, or carries.
    let lower = [
        0u32, 1, 0x0fff, 0x1000, 0x1001, 0x2000, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff,
    ];
    let f32_patterns: Vec<u32> = (0..=0xffff_u32)
        .flat_map(|upper| lower.map(|lower| upper << 16 | lower))
        .collect();
    let f64_of = |pattern: &u32| {
        let wide = f64::from(f32::from_bits(*pattern)).to_bits();
        [wide, wide ^ 1, wide.wrapping_add(0x1000_0000)]
    };
    let mut noise = Noise::new("f64");
    let mut f64_patterns: Vec<u64> = f32_patterns.iter().step_by(3).flat_map(f64_of).collect();
    f64_patterns.extend((0..100_000).map(|_| noise.next()));
    let f32_bytes = f32_patterns
        .iter()
        .flat_map(|pattern| pattern.to_le_bytes())
        .collect();
    let f64_bytes = f64_patterns
        .iter()
        .flat_map(|pattern| pattern.to_le_bytes())
        .collect();
    let tensors = [
        Spec::new("bf16", Dtype::BF16, &[256, 256], all.clone()),
        Spec::new("f16", Dtype::F16, &[65536], all),
        Spec::new("f32", Dtype::F32, &[f32_patterns.len()], f32_bytes),
        Spec::new("f64", Dtype::F64, &[f64_patterns.len()], f64_bytes),
        Spec::noise("noise_f32", Dtype::F32, &[1000, 1000]),
    ];
    let checkpoint = Checkpoint::new(&tensors);
    for dtype in [
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::F64,
        DType::F8E4M3,
    ] {
        compare(&checkpoint.wcodec, &checkpoint.safetensors, dtype);
    }
}

#[test]
fn real_models_in_every_float_dtype() {
    for folder in real_models() {
        let scratch = tempfile::tempdir().unwrap();
        let wcodec = encode(&folder, scratch.path());
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            compare(&wcodec, &folder.join("model.safetensors"), dtype);
        }
    }
}

#[test]
fn f8e4m3_becomes_f64_by_way_of_f32() {
    let all = (0..=u8::MAX).collect();
    let checkpoint = Checkpoint::new(&[Spec::new("w", Dtype::F8_E4M3, &[16, 16], all)]);
    let loader = WcodecLoader::open(&checkpoint.wcodec).unwrap();
    let load = |dtype| loader.var_builder(dtype, &CPU).get((16, 16), "w").unwrap();
    let by_f32 = load(DType::F32).to_dtype(DType::F64).unwrap();
    assert_same(&load(DType::F64), &by_f32, "F8E4M3 as F64");
}
