//! Files of every version stay readable, and the encoder's bytes change only on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking, in helpers too"
)]

mod support;

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use support::forge::Forge;
use support::{Random, Tensor, decode, encode_with, naive_decoder, structured, weights};
use wcodec::{Dtype, Effort, Limits, Reader, Tool, checkpoint};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 over all tensors' bytes, by name.
fn decoded_digest(bytes: &[u8]) -> String {
    let reader = Reader::new(bytes.to_vec(), &Limits::default()).expect("the file opens");
    checkpoint::verify(&reader, &checkpoint::VerifyOptions::default()).expect("the file is whole");
    let mut names: Vec<&str> = reader
        .tensors()
        .iter()
        .map(|info| info.name.as_str())
        .collect();
    names.sort_unstable();
    let mut hasher = Sha256::new();
    names
        .into_iter()
        .for_each(|name| hasher.update(decode(&reader, name).expect("the tensor decodes")));
    hex(&hasher.finalize())
}

/// The tensor of FORMAT.md's worked example: powers of two of both signs, small ones more often.
fn example() -> Vec<Tensor> {
    let mut random = Random(1);
    let bytes = (0..256).flat_map(|_| {
        let bits = random.bits();
        let exponent = 127 - u16::try_from((bits | 1 << 20).trailing_zeros().min(6)).unwrap();
        let sign = u16::try_from(bits >> 63).unwrap();
        (sign << 15 | exponent << 7).to_le_bytes()
    });
    vec![Tensor::new("w", Dtype::BF16, &[4, 64], bytes.collect())]
}

/// Every mode, mapping, plane width and table size that the encoder produces.
fn modes() -> Vec<Tensor> {
    let tensor = |name, dtype, shape: &[u64], bytes| Tensor::new(name, dtype, shape, bytes);
    let floats = |name, dtype, num: u64| {
        tensor(
            name,
            dtype,
            &[num],
            weights(dtype, usize::try_from(num).unwrap(), 0.05, num),
        )
    };
    let mut escapes = weights(Dtype::BF16, 700, 0.05, 9);
    // 40 exponents once each, on top of the common ones: too many for a small table.
    (0..40u16).for_each(|i| {
        escapes[usize::from(i) * 4..][..2].copy_from_slice(&((i * 5 + 3) << 7).to_le_bytes())
    });
    let mut random = Random(2);
    let skewed =
        |random: &mut Random| u8::try_from(random.bits() >> 58 & random.bits() >> 58).unwrap();
    let bytes: Vec<u8> = (0..900).map(|_| skewed(&mut random) * 3).collect();
    let ids: Vec<u8> = (0..400i64)
        .flat_map(|i| (i * 7 % 300 - 100).to_le_bytes())
        .collect();
    let upcast = weights(Dtype::BF16, 300, 0.1, 3)
        .chunks(2)
        .flat_map(|half| [0, 0, half[0], half[1]])
        .collect();
    vec![
        floats("a.bf16", Dtype::BF16, 1000),
        floats("b.f16", Dtype::F16, 1000),
        floats("c.f32", Dtype::F32, 300),
        floats("d.f64", Dtype::F64, 200),
        tensor("e.escapes", Dtype::BF16, &[7, 100], escapes),
        tensor("f.bytes", Dtype::U8, &[30, 30], bytes),
        tensor("g.ids", Dtype::I64, &[400], ids),
        tensor("h.upcast", Dtype::F32, &[300], upcast),
        tensor("i.noise", Dtype::U8, &[64], random.bytes(64)),
        tensor("j.ones", Dtype::F32, &[100], 1f32.to_le_bytes().repeat(100)),
        floats("k.twin", Dtype::BF16, 1000),
        tensor("l.empty", Dtype::F32, &[0, 5], vec![]),
        tensor("m.scalar", Dtype::F32, &[], 2.5f32.to_le_bytes().to_vec()),
    ]
}

/// Several chunks and tables a part, every chunk mode, and escapes.
fn chunks() -> Vec<Tensor> {
    const CHUNK: usize = 1 << 14; // what the encoder makes of so small a tensor
    let mut random = Random(5);
    let mut rare = |odds: u64| u8::from(random.bits().is_multiple_of(odds));
    let constant = vec![7; CHUNK];
    let sparse: Vec<u8> = (0..CHUNK).map(|_| rare(50)).collect();
    let dense: Vec<u8> = (0..CHUNK).map(|_| 1 - rare(50)).collect();
    let noise = Random(6).bytes(100);
    let mixed = [constant, sparse, dense, noise].concat();
    let mut random = Random(7);
    let mut escapes: Vec<u8> = (0..CHUNK)
        .map(|_| u8::try_from(random.bits() % 30).unwrap())
        .collect();
    // Three values that a small table has no room for, one of them kept.
    for (position, value) in [(3, 77), (9000, 99), (9001, 77), (CHUNK - 1, 200)] {
        escapes[position] = value;
    }
    vec![
        Tensor::new("a.mixed", Dtype::U8, &[mixed.len() as u64], mixed),
        Tensor::new("b.escapes", Dtype::U8, &[escapes.len() as u64], escapes),
    ]
}

const GOLDEN: [&str; 4] = ["v2_example", "v2_modes", "v2_chunks", "v2_tools"];

fn encoded(name: &str) -> Vec<u8> {
    let (tensors, only) = match name {
        // What is plain stays so, however small it could be.
        "v2_example" => (example(), Some(Tool::Split)),
        "v2_modes" => (modes(), Some(Tool::Split)),
        "v2_chunks" => (chunks(), Some(Tool::Split)),
        _ => (structured::small(), None),
    };
    encode_with(&tensors, only, Effort::Default)
}

#[test]
fn golden_files_decode_to_what_they_did() {
    for name in GOLDEN {
        let file = std::fs::read(golden(&format!("{name}.wcodec")))
            .expect("a golden file is never removed");
        let digest =
            std::fs::read_to_string(golden(&format!("{name}.sha256"))).expect("nor is its digest");
        assert!(file.len() <= 16 << 10, "{name} is small");
        assert_eq!(decoded_digest(&file), digest.trim(), "{name}");
    }
}

/// Every golden file ever made is there, and is one that the tests read.
#[test]
fn the_manifest_lists_the_golden_files() {
    let manifest = std::fs::read_to_string(golden("manifest.txt")).unwrap();
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, GOLDEN);
}

/// The encoder may change, but only with a bless, so that the diff shows it.
#[test]
fn the_encoder_writes_the_golden_bytes() {
    for name in GOLDEN {
        let file = std::fs::read(golden(&format!("{name}.wcodec")))
            .expect("a golden file is never removed");
        assert!(
            encoded(name) == file,
            "{name}: the encoder's bytes changed; bless a new file if that is meant"
        );
    }
}

#[test]
fn the_modes_file_has_every_method_in_it() {
    let file = std::fs::read(golden("v2_modes.wcodec")).unwrap();
    let reader = Reader::new(file, &Limits::default()).unwrap();
    let tools: Vec<String> = reader
        .tensors()
        .iter()
        .map(wcodec::TensorInfo::tools)
        .collect();
    for expected in [
        "rans 7 + 8 stored",
        "rans 4 + 11 stored",
        "rans 7 + 24 stored",
        "rans 8",
        "rans 8 + 1 stored",
        "stored",
        "constant",
        "duplicate",
        "empty",
    ] {
        assert!(
            tools.iter().any(|tools| tools == expected),
            "{expected}: {tools:?}"
        );
    }
}

#[test]
fn the_tools_file_has_tools_of_every_kind_in_it() {
    let file = std::fs::read(golden("v2_tools.wcodec")).unwrap();
    let forge = Forge::open(&file);
    let container = naive_decoder::parse(&file, u64::MAX).unwrap();
    let mut tools = Vec::new();
    for (forged, tensor) in forge.tensors.iter().zip(&container.tensors) {
        let part = &forged.parts[0];
        assert_eq!(part.fields.method, 3, "{}", tensor.name);
        let symbol_bits = part.fields.symbol_bits;
        let (tables, _) = naive_decoder::parse_tables(&part.tables, symbol_bits).unwrap();
        let bits = tensor.sample_len * 8;
        let record = naive_decoder::Record::parse(&part.record, bits, symbol_bits, &tables);
        tools.extend(record.unwrap().tools());
    }
    for expected in [
        "units of 4 bits",
        "order Some(0)",
        "order Some(1)",
        "order Some(2)",
        "predictor 254",
        "predictor 255",
        "transform 1",
        "classes: values",
        "classes: tokens",
        "classes: palette",
        "classes: floats",
        "classes: floats, some short",
        "contexts 1",
        "contexts 2",
        "contexts 3",
    ] {
        assert!(
            tools.iter().any(|tool| tool == expected),
            "{expected}: {tools:?}"
        );
    }
}

/// `cargo test -p wcodec --test golden -- --ignored bless`
#[test]
#[ignore = "writes the golden files; run it by name when the format or the encoder changes on purpose"]
fn bless() {
    for name in GOLDEN {
        let file = encoded(name);
        std::fs::write(
            golden(&format!("{name}.sha256")),
            decoded_digest(&file) + "\n",
        )
        .unwrap();
        std::fs::write(golden(&format!("{name}.wcodec")), file).unwrap();
    }
}
