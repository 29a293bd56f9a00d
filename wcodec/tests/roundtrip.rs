//! Every dtype, shape, content and effort: checkpoint to container and back, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use support::content::{Content, content};
use support::{Encoded, Tensor, decode, encode};
use wcodec::{Dtype, Effort, Reader, checkpoint};

/// Encodes, verifies against the source, exports, and compares the files.
fn round_trip(label: &str, tensors: &[Tensor], effort: Effort) -> Encoded {
    let encoded = encode(tensors, effort);
    let reader = Reader::open(&encoded.file).unwrap();
    let against = checkpoint::VerifyOptions {
        against: Some(&encoded.source),
        ..Default::default()
    };
    checkpoint::verify(&reader, &against).unwrap_or_else(|error| panic!("{label}: {error}"));
    let restored = encoded.folder.path().join("restored.safetensors");
    checkpoint::export(&reader, &restored, &checkpoint::ExportOptions::default())
        .unwrap_or_else(|error| panic!("{label}: {error}"));
    let same = std::fs::read(restored).unwrap() == std::fs::read(&encoded.source).unwrap();
    assert!(same, "{label}: the restored file differs");
    for info in reader.tensors() {
        // So a tensor never takes more than its bytes and its entry in the index.
        let (coded, raw) = (info.coded_bytes(), info.raw_bytes);
        assert!(coded <= raw, "{label}, {}: {coded} > {raw}", info.name);
    }
    encoded
}

/// A tensor of that shape, with four times the last dimension if the elements do not fill whole bytes.
fn tensor(name: &str, dtype: Dtype, shape: &[u64], kind: Content, seed: u64) -> Tensor {
    let mut shape = shape.to_vec();
    if dtype.bytes_of(shape.iter().product()).is_none() {
        match shape.last_mut() {
            Some(last) => *last *= 4,
            None => shape.push(4),
        }
    }
    let bytes = content(kind, dtype, shape.iter().product(), seed);
    Tensor::new(name, dtype, &shape, bytes)
}

const SMALL_SHAPES: [&[u64]; 10] = [
    &[],
    &[0],
    &[1],
    &[31],
    &[32],
    &[33],
    &[3, 5, 2, 7, 1],
    &[4, 0, 2],
    &[1, 40],
    &[40, 1],
];
/// Around the lengths of a chunk, primes, single rows and columns, rows longer than any chunk.
const LARGE_SHAPES: [&[u64]; 10] = [
    &[16_383],
    &[16_384],
    &[16_385],
    &[65_536],
    &[65_537],
    &[7_919],
    &[1, 20_011],
    &[20_011, 1],
    &[2, 70_001],
    &[131, 257],
];

/// Every small shape and one prime with every content, every large shape with a few.
fn matrix(dtype: Dtype) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    let mut add = |shape: &[u64], kind: Content| {
        let number = tensors.len() as u64;
        let name = format!("{number} {shape:?} {kind:?}");
        tensors.push(tensor(&name, dtype, shape, kind, number + 1));
    };
    for kind in Content::ALL {
        SMALL_SHAPES.iter().for_each(|shape| add(shape, kind));
        add(&[1_009], kind);
    }
    let mut rotation = Content::ALL.into_iter().cycle().skip(dtype as usize);
    for shape in LARGE_SHAPES {
        add(shape, Content::Weights);
        rotation.by_ref().take(2).for_each(|kind| add(shape, kind));
    }
    add(&[65_536], Content::AllPatterns);
    add(&[65_536], Content::Mixed);
    tensors
}

#[test]
fn every_dtype_at_the_default_effort() {
    for &dtype in Dtype::ALL {
        round_trip(dtype.name(), &matrix(dtype), Effort::Default);
    }
}

#[test]
fn every_effort() {
    for dtype in [Dtype::U8, Dtype::I64, Dtype::F16, Dtype::BF16, Dtype::F32] {
        for effort in [Effort::Fast, Effort::Max] {
            round_trip(&format!("{dtype} {effort:?}"), &matrix(dtype), effort);
        }
    }
}

/// Contents that once went different ways: each alone, so that no neighbour hides a mistake.
#[test]
fn all_patterns_of_16_bits() {
    for dtype in [Dtype::BF16, Dtype::F16, Dtype::I16, Dtype::U16] {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for effort in [Effort::Fast, Effort::Default, Effort::Max] {
            let tensors = [Tensor::new("all", dtype, &[256, 256], bytes.clone())];
            round_trip(&format!("{dtype} {effort:?}"), &tensors, effort);
        }
    }
}

/// The encoder's parts hold at most 8 MiB: here are whole ones, a few chunks and an odd end.
#[test]
fn tensors_of_several_parts() {
    const ROW: u64 = 4_099;
    let rows = (20 << 20) / ROW;
    let bytes: Vec<u8> = (0..ROW * rows)
        .map(|i| ((i * i) >> 9).to_le_bytes()[0] & 0x1f)
        .collect();
    let tensors = [Tensor::new("w", Dtype::U8, &[rows, ROW], bytes)];
    let encoded = round_trip("several parts", &tensors, Effort::Fast);
    let reader = Reader::open(&encoded.file).unwrap();
    let id = reader.find("w").unwrap();
    assert_eq!(reader.info(id).parts().len(), 3);
    // Rows on both sides of the boundary.
    let first_chunk = reader.info(id).parts().nth(1).unwrap().first_chunk;
    let boundary = u64::from(first_chunk) * u64::from(reader.info(id).chunk_samples()) / ROW;
    let start = usize::try_from((boundary - 3) * ROW).unwrap();
    let mut found = vec![0xaa; usize::try_from(7 * ROW).unwrap()];
    reader
        .decode_rows(id, boundary - 3..boundary + 4, &mut found)
        .unwrap();
    assert!(found == tensors[0].bytes[start..][..found.len()]);
}

/// Small tensors are encoded in batches, parts of a large one alone: here they follow one another, with twins and
/// tensors without elements among them.
#[test]
fn small_tensors_around_large_ones() {
    let large: Vec<u8> = (0..9_000_000u32)
        .map(|i| (i.wrapping_mul(i) >> 9).to_le_bytes()[0] & 0x1f)
        .collect();
    let small = |number: u8| {
        Tensor::new(
            &number.to_string(),
            Dtype::U8,
            &[300],
            vec![number; 299].into_iter().chain([7]).collect(),
        )
    };
    let mut tensors: Vec<Tensor> = (0..40).map(small).collect();
    for (at, name) in [(1, "first"), (20, "twin")] {
        tensors.insert(
            at,
            Tensor::new(name, Dtype::U8, &[9_000, 1_000], large.clone()),
        );
    }
    tensors.insert(0, Tensor::new("none", Dtype::F32, &[0, 3], Vec::new()));
    tensors.push(Tensor::new("twin of 3", Dtype::U8, &[300], small(3).bytes));
    tensors.push(Tensor::new("none at last", Dtype::F32, &[0], Vec::new()));
    let reader = Reader::open(round_trip("batches", &tensors, Effort::Fast).file).unwrap();
    let is_twin = |name: &str| {
        reader
            .info(reader.find(name).unwrap())
            .duplicate_of
            .is_some()
    };
    assert!(is_twin("twin") != is_twin("first") && is_twin("twin of 3") != is_twin("3"));
}

#[test]
fn a_checkpoint_without_tensors() {
    round_trip("nothing", &[], Effort::Default);
}

#[test]
fn odd_names() {
    let names = [
        "",
        " ",
        "a/b",
        "../x",
        "ünï",
        "\u{1}",
        "\"quoted\"",
        "__metadata",
        &"n".repeat(60_000),
    ];
    let tensors: Vec<Tensor> = (0..names.len())
        .map(|i| Tensor::new(names[i], Dtype::U8, &[1], vec![u8::try_from(i).unwrap()]))
        .collect();
    let encoded = round_trip("names", &tensors, Effort::Default);
    let reader = Reader::open(encoded.file).unwrap();
    for tensor in tensors {
        assert_eq!(decode(&reader, &tensor.name).unwrap(), tensor.bytes);
    }
}

fn any_tensor() -> impl Strategy<Value = (Tensor, Effort)> {
    let shapes = prop::collection::vec(0..40u64, 0..4);
    let efforts = prop::sample::select(vec![Effort::Fast, Effort::Default, Effort::Max]);
    let dtypes = prop::sample::select(Dtype::ALL.to_vec());
    let start = (dtypes, shapes, efforts, 0..8u8);
    start.prop_flat_map(|(dtype, shape, effort, keep)| {
        let blank = tensor("t", dtype, &shape, Content::Zeros, 1);
        let len = blank.bytes.len();
        // Fewer bits a byte: from a constant to noise.
        prop::collection::vec(0..=u8::MAX >> keep, len).prop_map(move |bytes| {
            (
                Tensor {
                    bytes,
                    ..blank.clone()
                },
                effort,
            )
        })
    })
}

#[test]
fn any_small_tensor() {
    const SEED: u64 = 20;
    let config = Config {
        cases: 100,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&any_tensor(), |(tensor, effort)| {
        let label = format!(
            "seed {SEED}, {} {:?} {effort:?}",
            tensor.dtype, tensor.shape
        );
        round_trip(&label, &[tensor], effort);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
