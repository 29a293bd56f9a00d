//! The same checkpoint gives the same file, and the same tensor the same payload, wherever it stands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use support::content::{Content, content};
use support::{Tensor, encode, import, naive_decoder, safetensors};
use wcodec::checkpoint::{self, ImportOptions, Source, import_into};
use wcodec::{Dtype, Effort, Reader};

/// Tensors of a few chunks each, of every kind of payload.
fn tensors() -> Vec<Tensor> {
    let tensor = |name: &str, dtype, shape: &[u64], kind, seed| {
        Tensor::new(
            name,
            dtype,
            shape,
            content(kind, dtype, shape.iter().product(), seed),
        )
    };
    vec![
        tensor(
            "model.embed_tokens.weight",
            Dtype::BF16,
            &[300, 512],
            Content::Weights,
            1,
        ),
        tensor(
            "model.layers.0.mlp.up_proj.weight",
            Dtype::F32,
            &[90, 1001],
            Content::Weights,
            2,
        ),
        tensor(
            "model.layers.0.bytes",
            Dtype::U8,
            &[100_000],
            Content::Mixed,
            3,
        ),
        tensor(
            "model.layers.1.noise",
            Dtype::I32,
            &[77, 3],
            Content::Noise,
            4,
        ),
        tensor(
            "model.layers.1.ids",
            Dtype::I64,
            &[5_000],
            Content::NegativeInts,
            5,
        ),
        tensor(
            "model.norm.weight",
            Dtype::F16,
            &[4_096],
            Content::OneValue,
            6,
        ),
        tensor("lm_head.weight", Dtype::BF16, &[33], Content::Sparse, 7),
    ]
}

const EFFORTS: [Effort; 3] = [Effort::Fast, Effort::Default, Effort::Max];

/// The payloads of each tensor, found by a decoder that shares no code with the library.
fn payloads(file: &Path) -> BTreeMap<String, Vec<Vec<u8>>> {
    let file = std::fs::read(file).unwrap();
    let container = naive_decoder::parse(&file, u64::MAX).expect("a valid file");
    let original = |tensor: &naive_decoder::Tensor| match tensor.duplicate_of {
        Some(number) => container.tensors[usize::try_from(number).unwrap()].clone(),
        None => tensor.clone(),
    };
    let of = |tensor: &naive_decoder::Tensor| {
        let parts = original(tensor).parts;
        parts
            .iter()
            .map(|part| naive_decoder::payload_of(&file, part).to_vec())
            .collect()
    };
    container
        .tensors
        .iter()
        .map(|tensor| (tensor.name.clone(), of(tensor)))
        .collect()
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("model.safetensors");
    std::fs::write(&source, safetensors(&tensors())).unwrap();
    for effort in EFFORTS {
        let mut files = Vec::new();
        for num_threads in [1, 2, 4] {
            let file = folder
                .path()
                .join(format!("{effort:?}-{num_threads}.wcodec"));
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(num_threads)
                .build()
                .unwrap();
            pool.install(|| import(&source, &file, effort));
            files.push(std::fs::read(file).unwrap());
        }
        assert!(files.iter().all(|file| *file == files[0]), "{effort:?}");
    }
}

#[test]
fn memory_and_files_give_the_same_container() {
    let safetensors = safetensors(&tensors());
    let folder = tempfile::tempdir().unwrap();
    let (source, file) = (
        folder.path().join("model.safetensors"),
        folder.path().join("model.wcodec"),
    );
    std::fs::write(&source, &safetensors).unwrap();
    for effort in EFFORTS {
        let options = ImportOptions {
            effort,
            replace: true,
            ..Default::default()
        };
        checkpoint::import(&source, &file, &options).unwrap();
        let mut container = Cursor::new(Vec::new());
        let in_memory = Source::Safetensors {
            name: "model.safetensors",
            bytes: &safetensors,
        };
        import_into(in_memory, &mut container, &options).unwrap();
        assert!(
            std::fs::read(&file).unwrap() == container.into_inner(),
            "{effort:?}"
        );
    }
}

/// Large parts are counted in samples: what these miss is escaped, and nothing is lost.
#[test]
fn symbols_that_were_not_counted_come_back() {
    let mut bytes = content(Content::Weights, Dtype::BF16, 1 << 21, 1);
    // The second run of 256 samples is not counted at either effort.
    for (index, element) in bytes[512..1024].chunks_exact_mut(2).enumerate() {
        element[1] = u8::try_from(index / 2).unwrap();
    }
    for effort in [Effort::Fast, Effort::Default] {
        let tensor = Tensor::new("w", Dtype::BF16, &[1 << 21], bytes.clone());
        let encoded = encode(&[tensor], effort);
        let reader = Reader::open(&encoded.file).unwrap();
        assert!(
            support::decode(&reader, "w").unwrap() == bytes,
            "{effort:?}"
        );
    }
}

#[test]
fn renaming_and_reordering_leave_payloads_alone() {
    for effort in EFFORTS {
        let tensors = tensors();
        let expected = payloads(&encode(&tensors, effort).file);
        let mut renamed = tensors.clone();
        for (number, tensor) in renamed.iter_mut().enumerate() {
            tensor.name = format!("other {}", number * 7 % 10);
        }
        let found = payloads(&encode(&renamed, effort).file);
        for (before, after) in tensors.iter().zip(&renamed) {
            assert!(
                found[&after.name] == expected[&before.name],
                "{effort:?} {}",
                before.name
            );
        }
        let mut reversed = tensors;
        reversed.reverse();
        assert!(
            payloads(&encode(&reversed, effort).file) == expected,
            "{effort:?} reversed"
        );
    }
}

/// Two shards and their index in `folder`.
fn write_shards(folder: &Path, tensors: &[Tensor]) {
    let (first, second) = tensors.split_at(tensors.len() / 2);
    let mut map = serde_json::Map::new();
    for (shard, name) in [
        (first, "model-00001-of-00002.safetensors"),
        (second, "model-00002-of-00002.safetensors"),
    ] {
        std::fs::write(folder.join(name), safetensors(shard)).unwrap();
        map.extend(
            shard
                .iter()
                .map(|tensor| (tensor.name.clone(), name.into())),
        );
    }
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    std::fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
}

#[test]
fn shards_and_neighbours_leave_payloads_alone() {
    for effort in EFFORTS {
        let mut tensors = tensors();
        let expected = payloads(&encode(&tensors, effort).file);
        let folder = tempfile::tempdir().unwrap();
        write_shards(folder.path(), &tensors);
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        let file = folder.path().join("sharded.wcodec");
        import(folder.path(), &file, effort);
        assert_eq!(Reader::open(&file).unwrap().sources().len(), 2);
        assert!(payloads(&file) == expected, "{effort:?} sharded");

        let more = content(Content::Weights, Dtype::BF16, 20_000, 99);
        tensors.insert(
            0,
            Tensor::new("model.layers.0.more", Dtype::BF16, &[20_000], more),
        );
        tensors.insert(
            3,
            Tensor::new("model.layers.0.zeros", Dtype::BF16, &[200], vec![0; 400]),
        );
        let mut found = payloads(&encode(&tensors, effort).file);
        assert!(
            found.remove("model.layers.0.more").is_some()
                && found.remove("model.layers.0.zeros").is_some()
        );
        assert!(found == expected, "{effort:?} with neighbours");
    }
}

#[test]
fn the_same_tensor_is_stored_once() {
    let mut tensors = tensors();
    let once = encode(&tensors, Effort::Default);
    for number in 0..tensors.len() {
        let copy = Tensor {
            name: format!("copy {number}"),
            ..tensors[number].clone()
        };
        tensors.push(copy);
    }
    let twice = encode(&tensors, Effort::Default);
    let reader = Reader::open(&twice.file).unwrap();
    let (mut originals, mut copies) = (0, 0);
    for info in reader.tensors() {
        match info.duplicate_of {
            Some(original) => {
                assert_eq!(
                    (info.coded_bytes(), info.digest),
                    (0, reader.info(original).digest)
                );
                copies += 1;
            }
            None => originals += 1,
        }
    }
    assert_eq!((originals, copies), (tensors.len() / 2, tensors.len() / 2));
    let len = |file: &Path| std::fs::metadata(file).unwrap().len();
    let more = len(&twice.file) - len(&once.file);
    assert!(
        more < 400 * copies as u64,
        "{more} bytes more for {copies} names"
    );
    // The same bytes in another shape or dtype are another tensor.
    let bytes = content(Content::Weights, Dtype::BF16, 600, 1);
    let kin = [
        Tensor::new("a", Dtype::BF16, &[600], bytes.clone()),
        Tensor::new("b", Dtype::BF16, &[20, 30], bytes.clone()),
        Tensor::new("c", Dtype::F16, &[600], bytes),
    ];
    let reader = Reader::open(encode(&kin, Effort::Default).file).unwrap();
    assert!(
        reader
            .tensors()
            .iter()
            .all(|info| info.duplicate_of.is_none())
    );
}

/// What normal weights must shrink by, whatever else changes.
#[test]
fn normal_weights_shrink() {
    for (dtype, effort, least) in [
        (Dtype::BF16, Effort::Fast, 1.50),
        (Dtype::BF16, Effort::Default, 1.50),
        (Dtype::BF16, Effort::Max, 1.51),
        (Dtype::F32, Effort::Default, 1.195),
        (Dtype::F16, Effort::Default, 1.17),
    ] {
        let bytes = content(Content::Weights, dtype, 1 << 19, 1);
        let raw = bytes.len() as f64;
        let encoded = encode(&[Tensor::new("w", dtype, &[512, 1024], bytes)], effort);
        let ratio = raw / std::fs::metadata(&encoded.file).unwrap().len() as f64;
        println!("{dtype} {effort:?}: {ratio:.3}");
        assert!(
            ratio >= least,
            "{dtype} {effort:?}: {ratio:.3}, less than {least}"
        );
    }
}

#[test]
fn tensors_without_elements_have_an_order() {
    let empty = |number: u8| Tensor::new(&format!("none.{number}"), Dtype::F32, &[0], Vec::new());
    let mut tensors: Vec<Tensor> = (0..9).map(empty).collect();
    tensors.push(Tensor::new("some", Dtype::F32, &[1], vec![1, 2, 3, 4]));
    let encoded = || std::fs::read(encode(&tensors, Effort::Default).file).unwrap();
    let first = encoded();
    assert!((0..5).all(|_| encoded() == first));
}
