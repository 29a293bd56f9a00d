//! Files that break FORMAT.md: each is refused, by the library and by the naive decoder, and nothing panics.
//!
//! The modules `container`, `index`, `payload`, `entropy` and `tools` break one rule at a time with every checksum
//! right; `streams` and the tests here damage bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod allocation;
mod container;
mod entropy;
mod index;
mod packed;
mod payload;
mod plans;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use support::content::{Content, content};
use support::forge::Forge;
use support::{Random, Tensor, naive_decoder, safetensors, verify_bytes, weights};
use wcodec::checkpoint::{self, ImportOptions};
use wcodec::{Dtype, Limits, Reader, Tool};

/// The default limit on a tensor's length.
const MAX_TENSOR_LEN: u64 = 64 << 30;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read(folder.join(name)).expect("the golden file is there")
}

/// A small container with everything in it that a rule speaks of.
fn base() -> &'static [u8] {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut random = Random(5);
        let w = weights(Dtype::BF16, 25_600, 0.05, 1);
        let mut escapes = weights(Dtype::BF16, 30_000, 0.05, 9);
        // A few exponents once each, two more than a small table has room for: these escape.
        let used: BTreeSet<u8> = escapes
            .chunks(2)
            .map(|half| half[1] << 1 | half[0] >> 7)
            .collect();
        let rare = (0..=u8::MAX)
            .filter(|exponent| !used.contains(exponent))
            .take(34 - used.len());
        rare.zip(escapes.chunks_mut(200))
            .for_each(|(exponent, place)| {
                place[..2].copy_from_slice(&[exponent << 7, exponent >> 1]);
            });
        // A chunk each in mode rANS, constant and stored.
        let mut mixed = content(Content::Weights, Dtype::U8, 16_384, 2);
        mixed.extend([9; 16_384]);
        mixed.extend(random.bytes(16_384));
        let ids = (0..400i64)
            .flat_map(|i| (i * 7 % 300 - 100).to_le_bytes())
            .collect();
        let tensors = [
            Tensor::new("w", Dtype::BF16, &[400, 64], w.clone()),
            Tensor::new("escapes", Dtype::BF16, &[300, 100], escapes),
            Tensor::new("mixed", Dtype::U8, &[49_152], mixed),
            Tensor::new("ids", Dtype::I64, &[400], ids),
            Tensor::new("noise", Dtype::U8, &[65], random.bytes(65)),
            Tensor::new("ones", Dtype::F32, &[100], 1f32.to_le_bytes().repeat(100)),
            Tensor::new("twin", Dtype::BF16, &[400, 64], w.clone()),
            Tensor::new("triplet", Dtype::BF16, &[400, 64], w),
            Tensor::new("empty", Dtype::F32, &[0, 5], vec![]),
        ];
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("model.safetensors"),
            safetensors(&tensors),
        )
        .unwrap();
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), "{\"vocab\": []}").unwrap();
        let file = folder.path().join("model.wcodec");
        let options = ImportOptions {
            only: Some(Tool::Split), // the module `tools` has the others
            ..ImportOptions::default()
        };
        checkpoint::import(folder.path(), &file, &options).unwrap();
        std::fs::read(file).unwrap()
    })
}

/// Checks that both decoders refuse `file`, the library with a message that has `expected` in it.
fn assert_refused(label: &str, expected: &str, file: &[u8]) {
    assert!(
        naive_decoder::decode(file, MAX_TENSOR_LEN).is_err(),
        "{label}: the naive decoder accepts it"
    );
    let Err(error) = verify_bytes(file) else {
        panic!("{label}: accepted")
    };
    assert!(
        error.to_string().contains(expected),
        "{label}: `{expected}` expected, found `{error}`"
    );
    assert!(
        error.is_corrupt() || error.is_unsupported() || error.is_limit(),
        "{label}: nobody's fault according to `{error}`"
    );
    decode_all(file);
}

/// Decodes each tensor, whether that works or not.
fn decode_all(file: &[u8]) {
    let Ok(reader) = Reader::new(file.to_vec(), &Limits::default()) else {
        return;
    };
    for id in reader
        .ids()
        .filter(|&id| reader.info(id).raw_bytes <= 1 << 20)
    {
        let mut bytes = vec![0; usize::try_from(reader.info(id).raw_bytes).unwrap()];
        let _ = reader.decode_bytes(id, &mut bytes);
    }
}

/// A rule broken: what is wrong, what the error says, and how to get there.
type Case = (&'static str, &'static str, fn(&mut Forge));

/// Breaks the rules before the file is laid out, so that lengths and checksums fit what is wrong.
fn refuse_before_layout(cases: &[Case]) {
    for (label, expected, edit) in cases {
        let mut forge = Forge::open(base());
        edit(&mut forge);
        forge.lay_out();
        assert_refused(label, expected, &forge.seal());
    }
}

/// Breaks the rules after the file is laid out: places, lengths and checksums of regions.
fn refuse_after_layout(cases: &[Case]) {
    for (label, expected, edit) in cases {
        let mut forge = Forge::open(base());
        forge.lay_out();
        edit(&mut forge);
        assert_refused(label, expected, &forge.seal());
    }
}

#[test]
fn a_file_taken_apart_and_put_together_is_the_same() {
    for file in [
        base(),
        &golden("v2_example.wcodec"),
        &golden("v2_modes.wcodec"),
    ] {
        let mut forge = Forge::open(file);
        forge.lay_out();
        assert!(forge.seal() == file);
        verify_bytes(file).expect("it is valid");
        naive_decoder::decode(file, MAX_TENSOR_LEN).expect("it is valid");
    }
    let mut forge = Forge::open(base());
    let modes = forge
        .part("mixed")
        .chunks
        .iter()
        .map(|chunk| chunk.entry.mode)
        .collect::<Vec<u8>>();
    assert_eq!(modes, [0, 2, 1], "every mode of a chunk");
    assert!(forge.part("escapes").chunks[0].entry.escapes >= 2);
    assert_eq!(
        ["w", "noise", "ones"].map(|name| forge.part(name).fields.method),
        [0, 1, 2],
        "every method of a part"
    );
}

/// Padding within a payload decodes to nothing; only its checksum has to fit (FORMAT.md 4.1).
#[test]
fn padding_of_coded_bytes_is_not_looked_at() {
    let mut forge = Forge::open(base());
    for chunk in &mut forge.part("mixed").chunks {
        chunk.coded_padding = 0xff;
    }
    forge.lay_out();
    let file = forge.seal();
    assert!(file != base());
    verify_bytes(&file).expect("it is valid");
    naive_decoder::decode(&file, MAX_TENSOR_LEN).expect("it is valid");
}

#[test]
fn every_prefix_is_refused() {
    for file in [golden("v2_example.wcodec"), golden("v2_modes.wcodec")] {
        (0..file.len()).into_par_iter().for_each(|len| {
            assert!(
                verify_bytes(&file[..len]).is_err(),
                "the first {len} bytes are accepted"
            );
        });
    }
}

#[test]
fn every_bit_flip_is_refused() {
    for file in [golden("v2_example.wcodec"), golden("v2_modes.wcodec")] {
        (0..file.len() * 8).into_par_iter().for_each(|bit| {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Err(error) = verify_bytes(&damaged) else {
                panic!("flip of bit {bit} is accepted")
            };
            assert!(
                error.is_corrupt() || error.is_unsupported() || error.is_limit(),
                "bit {bit}: {error}"
            );
        });
    }
}

#[test]
fn longer_files_are_refused() {
    let file = golden("v2_example.wcodec");
    for extra in [1, 16, 64, 100] {
        let longer = [file.clone(), vec![0; extra]].concat();
        assert_refused(
            "bytes after the footer",
            "after the end of the footer breaks rule 2.2",
            &longer,
        );
    }
}

/// Damage that no checksum shows still gives a tensor of the right length or an error, never a panic.
#[test]
fn damage_behind_right_checksums_never_panics() {
    const SEED: u64 = 77;
    let mut random = Random(SEED);
    for round in 0..300 {
        let mut forge = Forge::open(base());
        let part = forge.part(["w", "escapes", "mixed", "ids"][round % 4]);
        let mut hit = |bytes: &mut [u8]| {
            let at = usize::try_from(random.bits() % bytes.len() as u64).unwrap();
            bytes[at] ^= 1 << (random.bits() % 8);
        };
        match round % 3 {
            0 => hit(&mut part.tables),
            1 => hit(&mut part.chunks[0].coded),
            _ => hit(&mut part.chunks[0].coded[..128]),
        }
        forge.lay_out();
        let file = forge.seal();
        decode_all(&file);
        let (ours, naive) = (
            verify_bytes(&file).is_ok(),
            naive_decoder::decode(&file, MAX_TENSOR_LEN).is_ok(),
        );
        assert_eq!(ours, naive, "seed {SEED}, round {round}");
    }
}
