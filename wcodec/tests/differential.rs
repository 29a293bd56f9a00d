//! The library against the decoder written from FORMAT.md, and its conversion of floats against `half`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod support;

use half::{bf16, f16};
use std::path::{Path, PathBuf};
use support::content::{Content, content};
use support::{Tensor, decode, encode, naive_decoder};
use wcodec::{Dtype, Effort, Limits, Reader};

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
