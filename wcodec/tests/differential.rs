//! The library against the decoder written from FORMAT.md, and its conversion of floats against `half`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod support;

use half::{bf16, f16};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use support::content::{Content, content};
use support::{Tensor, decode, encode, encode_with, naive_decoder, structured};
use wcodec::{Dtype, Effort, Limits, Reader, Tool};

fn open(bytes: Vec<u8>) -> Reader {
    Reader::new(bytes, &Limits::default()).expect("the file opens")
}

/// Both decoders, every tensor.
fn compare(label: &str, file: Vec<u8>) {
    let expected =
        naive_decoder::decode(&file, u64::MAX).unwrap_or_else(|rule| panic!("{label}: {rule}"));
    let reader = open(file);
    assert_eq!(reader.tensors().len(), expected.len(), "{label}");
    for (name, bytes) in expected {
        assert!(
            decode(&reader, &name).expect("it decodes") == bytes,
            "{label}: {name}"
        );
    }
}

/// Tensors of every content, each of more than one chunk now and then.
fn tensors(dtype: Dtype) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    for (number, kind) in (0u64..).zip(Content::ALL) {
        let mut elems = [40_004u64, 9_000, 132][usize::try_from(number % 3).unwrap()];
        if kind == Content::Mixed || kind == Content::Weights {
            elems = 70_000;
        }
        tensors.push(Tensor::new(
            &format!("{kind:?}"),
            dtype,
            &[elems],
            content(kind, dtype, elems, number + 1),
        ));
    }
    tensors
}

#[test]
fn golden_files_decode_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the golden files are there") {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wcodec")
        {
            compare(&path.display().to_string(), std::fs::read(&path).unwrap());
            files += 1;
        }
    }
    assert!(files >= 2);
}

#[test]
fn every_dtype_and_effort_decodes_alike() {
    for &dtype in Dtype::ALL {
        let tensors = tensors(dtype);
        for effort in [Effort::Fast, Effort::Default, Effort::Max] {
            let file = std::fs::read(encode(&tensors, effort).file).unwrap();
            for (name, bytes) in naive_decoder::decode(&file, u64::MAX).expect("a valid file") {
                let tensor = tensors
                    .iter()
                    .find(|tensor| tensor.name == name)
                    .expect("a tensor of that name");
                assert!(bytes == tensor.bytes, "{dtype} {effort:?} {name}");
            }
            compare(&format!("{dtype} {effort:?}"), file);
        }
    }
}

/// Encodes tensors and decodes them with both.
fn round_trip(label: &str, tensors: &[Tensor], only: Option<Tool>, effort: Effort) {
    let file = encode_with(tensors, only, effort);
    let decoded = naive_decoder::decode(&file, u64::MAX)
        .unwrap_or_else(|rule| panic!("{label}, {only:?}, {effort:?}: {rule}"));
    assert_eq!(decoded.len(), tensors.len());
    for (name, bytes) in decoded {
        let tensor = tensors.iter().find(|tensor| tensor.name == name);
        let expected = &tensor.expect("a tensor of that name").bytes;
        assert!(bytes == *expected, "{label}, {only:?}, {effort:?}: {name}");
    }
    let reader = open(file);
    for tensor in tensors {
        assert!(decode(&reader, &tensor.name).expect("it decodes") == tensor.bytes);
    }
}

/// Rows and columns that fill no tile or block, one of them in more than one chunk.
fn shaped(dtype: Dtype) -> Vec<Tensor> {
    let shapes: [&[u64]; 5] = [&[37, 44], &[4, 9, 20], &[132], &[8, 300], &[1100, 16]];
    let tensors = Content::ALL.into_iter().enumerate().map(|(number, kind)| {
        let shape = shapes[number % shapes.len()];
        let bytes = content(kind, dtype, shape.iter().product(), number as u64 + 1);
        Tensor::new(&format!("{kind:?} {shape:?}"), dtype, shape, bytes)
    });
    tensors.collect()
}

#[test]
fn every_tool_decodes_alike() {
    Dtype::ALL.par_iter().for_each(|&dtype| {
        let tensors = shaped(dtype);
        for tool in Tool::ALL {
            round_trip(&dtype.to_string(), &tensors, Some(tool), Effort::Default);
        }
    });
}

#[test]
fn structured_tensors_decode_alike() {
    let tensors = structured::all();
    tensors.par_iter().for_each(|tensor| {
        let tensor = std::slice::from_ref(tensor);
        for effort in [Effort::Fast, Effort::Default, Effort::Max] {
            round_trip("structured", tensor, None, effort);
        }
        for tool in Tool::ALL {
            round_trip("structured", tensor, Some(tool), Effort::Fast);
        }
    });
}

/// The check values of FORMAT.md 5.7.
#[test]
fn transforms_give_their_check_values() {
    let points = [1, 2, 3, 4, 5, 6, 7, 8];
    let noise = [127, -128, 127, -128, 0, 1, -1, 100];
    for (coefficients, transform, bits, points) in [
        ([12, -7, 0, 0, 1, 0, 0, 1], 1, 16, points),
        ([14, -1, 2, 0, 0, 0, 0, 0], 2, 16, points),
        ([126, -69, 95, 28, 64, -76, -99, -113], 1, 8, noise),
        ([-48, 94, 112, 97, -3, 32, -125, -106], 2, 8, noise),
    ] {
        let found = naive_decoder::transform::inverse_points(coefficients, transform, bits);
        assert_eq!(found, points, "transform {transform} of {bits} bits");
    }
}

#[test]
fn real_models_decode_alike() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let models = std::env::var_os("WCODEC_MODELS").map_or(default, PathBuf::from);
    if !models.is_dir() {
        println!(
            "skipped: no models at {} (set WCODEC_MODELS)",
            models.display()
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for model in [
        "stories260K/f32",
        "stories260K/f16",
        "stories260K/bf16",
        "tiny1m/f16",
        "tinystories-3m/bf16",
    ] {
        let file = folder.path().join(model.replace('/', "-"));
        support::import(&models.join(model), &file, Effort::Default);
        compare(model, std::fs::read(file).unwrap());
    }
}

fn samples<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes
        .chunks_exact(N)
        .map(|sample| sample.try_into().unwrap())
}

#[test]
fn floats_are_converted_as_half_converts_them() {
    for dtype in [Dtype::F16, Dtype::BF16, Dtype::F32, Dtype::F64] {
        for (seed, kind) in (1..).zip(Content::ALL) {
            let bytes = content(kind, dtype, 65_536, seed);
            let reader = Reader::open(
                encode(
                    &[Tensor::new("w", dtype, &[65_536], bytes.clone())],
                    Effort::Default,
                )
                .file,
            )
            .unwrap();
            let id = reader.find("w").unwrap();
            let (mut f32s, mut f16s, mut bf16s) = (
                vec![1f32; 65_536],
                vec![f16::ONE; 65_536],
                vec![bf16::ONE; 65_536],
            );
            reader.decode_floats(id, &mut f32s).unwrap();
            reader.decode_floats(id, &mut f16s).unwrap();
            reader.decode_floats(id, &mut bf16s).unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "the conversion under test")]
            let expected: Vec<(f32, f16, bf16)> = match dtype {
                Dtype::F16 => samples(&bytes)
                    .map(f16::from_le_bytes)
                    .map(|x| (x.to_f32(), x, bf16::from_f32(x.to_f32())))
                    .collect(),
                Dtype::BF16 => samples(&bytes)
                    .map(bf16::from_le_bytes)
                    .map(|x| (x.to_f32(), f16::from_f32(x.to_f32()), x))
                    .collect(),
                Dtype::F32 => samples(&bytes)
                    .map(f32::from_le_bytes)
                    .map(|x| (x, f16::from_f32(x), bf16::from_f32(x)))
                    .collect(),
                _ => samples(&bytes)
                    .map(f64::from_le_bytes)
                    .map(|x| (x as f32, f16::from_f64(x), bf16::from_f64(x)))
                    .collect(),
            };
            for (i, (x, y, z)) in expected.into_iter().enumerate() {
                let found = (f32s[i].to_bits(), f16s[i].to_bits(), bf16s[i].to_bits());
                assert_eq!(
                    found,
                    (x.to_bits(), y.to_bits(), z.to_bits()),
                    "{dtype} {kind:?} element {i}"
                );
            }
        }
    }
}

#[test]
fn integers_are_no_floats() {
    let reader = Reader::open(
        encode(
            &[Tensor::new("i", Dtype::I32, &[2], vec![1; 8])],
            Effort::Default,
        )
        .file,
    )
    .unwrap();
    assert!(
        reader
            .decode_floats(reader.find("i").unwrap(), &mut [0f32; 2])
            .is_err()
    );
}
