//! The coding tools: each alone on everything it can be used for, and all of them where one pays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "helpers of tests; numbers that are known to fit"
)]

mod support;

use half::{bf16, f16};
use std::io::Cursor;
use support::content::{Content, content};
use support::{Random, Tensor, safetensors, structured};
use wcodec::checkpoint::{ImportOptions, Source, import_into};
use wcodec::{Dtype, Effort, Limits, Reader, Tool};

/// Encodes tensors with one tool alone or with the best, verifies every byte, and says how each is coded and how long.
fn encode(tensors: &[Tensor], only: Option<Tool>, effort: Effort) -> Vec<(String, u64)> {
    let bytes = safetensors(tensors);
    let source = Source::Safetensors {
        name: "model.safetensors",
        bytes: &bytes,
    };
    let options = ImportOptions {
        effort,
        only,
        ..Default::default()
    };
    let mut sink = Cursor::new(Vec::new());
    import_into(source, &mut sink, &options).unwrap();
    let reader = Reader::new(sink.into_inner(), &Limits::default()).unwrap();
    let coded = |tensor: &Tensor| {
        let (name, label) = (&tensor.name, format!("{only:?} {effort:?}"));
        let decoded = support::decode(&reader, name)
            .unwrap_or_else(|error| panic!("{label}, {name}: {error}"));
        assert!(decoded == tensor.bytes, "{label}: {name} differs");
        let info = reader.info(reader.find(name).unwrap());
        assert!(info.coded_bytes() <= info.raw_bytes, "{label}: {name}");
        (info.tools(), info.coded_bytes())
    };
    tensors.iter().map(coded).collect()
}

/// The bytes of one tensor coded with the best tools.
fn best(tensor: &Tensor) -> (String, u64) {
    encode(std::slice::from_ref(tensor), None, Effort::Default).remove(0)
}

const DTYPES: [Dtype; 12] = [
    Dtype::BOOL,
    Dtype::U8,
    Dtype::I8,
    Dtype::I16,
    Dtype::F16,
    Dtype::BF16,
    Dtype::I32,
    Dtype::F32,
    Dtype::C64,
    Dtype::I64,
    Dtype::F64,
    Dtype::F8_E4M3,
];

#[test]
fn each_tool_alone_round_trips_everything() {
    let shapes: [&[u64]; 8] = [
        &[1],
        &[33],
        &[1, 40],
        &[40, 1],
        &[17, 23],
        &[5, 3, 9],
        &[64, 64],
        &[3, 700],
    ];
    let mut tensors = Vec::new();
    for dtype in DTYPES {
        for (seed, kind) in (1..).zip(Content::ALL) {
            for shape in shapes {
                let bytes = content(kind, dtype, shape.iter().product(), seed);
                let bytes = if dtype == Dtype::BOOL {
                    bytes.iter().map(|byte| byte & 1).collect()
                } else {
                    bytes
                };
                tensors.push(Tensor::new(
                    &format!("{dtype} {kind:?} {shape:?}"),
                    dtype,
                    shape,
                    bytes,
                ));
            }
        }
    }
    for tool in Tool::ALL {
        encode(&tensors, Some(tool), Effort::Default);
    }
    for effort in [Effort::Fast, Effort::Default, Effort::Max] {
        encode(&tensors, None, effort);
    }
}

#[test]
fn each_tool_alone_round_trips_all_patterns_of_16_bits() {
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let patterns = [Dtype::BF16, Dtype::F16, Dtype::I16, Dtype::U16]
        .map(|dtype| Tensor::new(&dtype.to_string(), dtype, &[256, 256], bytes.clone()));
    for tool in Tool::ALL {
        encode(&patterns, Some(tool), Effort::Fast);
    }
}

#[test]
fn a_tool_alone_is_what_is_used() {
    let smooth = || structured::smooth(Dtype::I16, 67, 100, 1);
    for tool in Tool::ALL {
        let (tensor, expected) = match tool {
            Tool::Stored => (smooth(), "stored"),
            Tool::Split => (smooth(), "rans 8 + 3 stored"),
            Tool::Packed => (structured::nibbles(64, 20, 4), "packed + 24 stored"),
            Tool::Recurrence => (structured::rope(Dtype::BF16, 100, 20), "tools, rans 6"),
            Tool::Palette => (structured::palette(400, 100, 100.0, 7), "tools, rans 8"),
            Tool::Classes => (structured::half_upcast(60, 50, 5), "tools, rans 10"),
            Tool::Nibbles => (structured::nibbles(64, 20, 4), "tools, rans 4"),
            _ => (smooth(), "tools, rans 6"),
        };
        let coded = encode(&[tensor], Some(tool), Effort::Default);
        assert_eq!(coded[0].0, expected, "{tool:?}");
    }
}

fn floats(dtype: Dtype, values: impl Iterator<Item = f64>) -> Vec<u8> {
    values
        .flat_map(|value| match dtype {
            Dtype::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
            Dtype::BF16 => bf16::from_f64(value).to_le_bytes().to_vec(),
            _ => (value as f32).to_le_bytes().to_vec(),
        })
        .collect()
}

fn rope_cosines(dtype: Dtype) -> Tensor {
    let value = |index: u32| {
        let (position, pair) = (f64::from(index / 64), f64::from(index % 64));
        (position * 10_000f64.powf(-pair / 64.0)).cos()
    };
    Tensor::new(
        "cos",
        dtype,
        &[2048, 64],
        floats(dtype, (0..2048 * 64).map(value)),
    )
}

#[test]
fn rope_tables_are_extrapolated() {
    // Bits an element; zstd -19 takes 26.3, 8.5 and 5.4.
    for (dtype, most) in [(Dtype::F32, 2.2), (Dtype::F16, 2.0), (Dtype::BF16, 1.8)] {
        let (how, bytes) = best(&rope_cosines(dtype));
        let bits = 8.0 * bytes as f64 / f64::from(2048 * 64);
        assert!(bits < most, "{dtype}: {bits} bits, {how}");
    }
}

#[test]
fn masks_and_positions_nearly_vanish() {
    let causal = |index: usize| index % 1024 > index / 1024;
    let mask: Vec<u8> = (0..1024 * 1024)
        .map(|index| u8::from(causal(index)))
        .collect();
    let minus_infinity = |index| {
        if causal(index) {
            f64::NEG_INFINITY
        } else {
            0.0
        }
    };
    let tensors = [
        Tensor::new("bool", Dtype::BOOL, &[1024, 1024], mask.clone()),
        Tensor::new("u8", Dtype::U8, &[1, 1, 1024, 1024], mask),
        Tensor::new(
            "f32",
            Dtype::F32,
            &[1024, 1024],
            floats(Dtype::F32, (0..1024 * 1024).map(minus_infinity)),
        ),
        Tensor::new(
            "ids",
            Dtype::I64,
            &[1, 8192],
            (0..8192i64).flat_map(i64::to_le_bytes).collect(),
        ),
        Tensor::new(
            "ids32",
            Dtype::I32,
            &[8192],
            (0..8192i32).flat_map(i32::to_le_bytes).collect(),
        ),
    ];
    for tensor in &tensors {
        let (how, bytes) = best(tensor);
        assert!(
            20 * bytes <= tensor.bytes.len() as u64,
            "{}: {bytes} bytes, {how}",
            tensor.name
        );
    }
}

/// Normal weights of `rows` x 256.
fn normal(rows: u64, seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    (0..rows * 256).map(|_| random.weight(0.03)).collect()
}

#[test]
fn weights_are_coded_plainly() {
    for dtype in [Dtype::BF16, Dtype::F16, Dtype::F32] {
        let weights = Tensor::new(
            "w",
            dtype,
            &[512, 256],
            floats(dtype, normal(512, 3).into_iter()),
        );
        for effort in [Effort::Fast, Effort::Default] {
            let found = encode(std::slice::from_ref(&weights), None, effort);
            assert!(
                found[0].0.starts_with("rans"),
                "{dtype}, {effort:?}: {}",
                found[0].0
            );
        }
    }
}

#[test]
fn hidden_redundancy_is_found() {
    let weights = normal(512, 5);
    let plain = |name: &str, dtype, values: Vec<f64>| {
        Tensor::new(name, dtype, &[512, 256], floats(dtype, values.into_iter()))
    };
    let as_bf16 = |value: &f64| bf16::from_f64(*value).to_f64();
    let (_, bf16_bytes) = best(&plain("bf16", Dtype::BF16, weights.clone()));
    // All of it upcast, then every second row.
    let (how, upcast) = best(&plain(
        "f32",
        Dtype::F32,
        weights.iter().map(as_bf16).collect(),
    ));
    assert!(
        upcast * 1000 <= bf16_bytes * 1005,
        "{upcast} {bf16_bytes} {how}"
    );
    let (_, full) = best(&plain("f32", Dtype::F32, weights.clone()));
    let rows = weights.iter().enumerate();
    let half = rows.map(|(i, value)| {
        if i / 256 % 2 == 0 {
            as_bf16(value)
        } else {
            *value
        }
    });
    let (how, half) = best(&plain("half", Dtype::F32, half.collect()));
    assert!(how.starts_with("tools"), "{how}");
    assert!(
        half * 100 <= (full + bf16_bytes) / 2 * 106,
        "{half} of {full} and {bf16_bytes}"
    );
    // 255 levels of one scale, in BF16.
    let levels = weights
        .iter()
        .map(|value| (value / 0.001).round().clamp(-127.0, 127.0) * 0.001);
    let (how, palette) = best(&plain("int8", Dtype::BF16, levels.collect()));
    assert!(palette * 100 <= 45 * 2 * 512 * 256, "{palette} {how}");
    // Nine in ten are zero.
    let sparse = weights
        .iter()
        .map(|value| if value.abs() < 0.05 { 0.0 } else { *value });
    let sparse: Vec<f64> = sparse.collect();
    let share = sparse.iter().filter(|value| **value != 0.0).count() as f64 / sparse.len() as f64;
    let (how, bytes) = best(&plain("sparse", Dtype::BF16, sparse));
    let bits = 8.0 * bytes as f64 / (512.0 * 256.0);
    assert!(
        bits < 11.0 * share + 0.6,
        "{bits} bits with {share} not zero, {how}"
    );
}

#[test]
fn nibbles_in_words_cost_their_entropy() {
    let mut random = Random(9);
    let mut nibble = || ((random.weight(2.0).round() + 8.0).clamp(0.0, 15.0)) as u32;
    let nibbles: Vec<u32> = (0..512 * 512).map(|_| nibble()).collect();
    let mut counts = [0f64; 16];
    nibbles
        .iter()
        .for_each(|&nibble| counts[nibble as usize] += 1.0);
    let total: f64 = counts.iter().sum();
    let entropy: f64 = counts
        .iter()
        .filter(|n| **n > 0.0)
        .map(|n| -n * (n / total).log2())
        .sum();
    let words = nibbles.as_chunks::<8>().0.iter();
    let words: Vec<u8> = words
        .map(|eight| {
            eight
                .iter()
                .rev()
                .fold(0u32, |word, nibble| (word << 4) | nibble)
        })
        .flat_map(u32::to_le_bytes)
        .collect();
    for (dtype, shape) in [(Dtype::I32, [512, 64]), (Dtype::U8, [512, 256])] {
        let (how, bytes) = best(&Tensor::new("qweight", dtype, &shape, words.clone()));
        assert!(
            8.0 * bytes as f64 <= 1.01 * entropy,
            "{dtype}: {bytes} of {}, {how}",
            entropy / 8.0
        );
    }
}
