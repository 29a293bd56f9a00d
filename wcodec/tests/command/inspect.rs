//! What `inspect` shows.

use crate::support::{encoded, keys, noise, safetensors, wcodec};
use serde_json::Value;
use std::fs;

#[test]
fn inspect_json_accounts_for_every_byte() {
    let home = encoded();
    let file = wcodec(home.path(), &["inspect", "model.wcodec", "--json"])
        .succeeded()
        .json();
    let expected = [
        "attachment_bytes",
        "attachments",
        "bits_per_weight",
        "elements",
        "file",
        "file_bytes",
        "index_bytes",
        "payload_bytes",
        "ratio",
        "source_bytes",
        "source_header_bytes",
        "sources",
        "tensors",
        "totals",
        "version",
    ];
    assert_eq!(keys(&file), expected);
    let parts = [
        "attachment_bytes",
        "index_bytes",
        "payload_bytes",
        "source_header_bytes",
    ];
    let sum: u64 = parts.iter().map(|part| file[part].as_u64().unwrap()).sum();
    assert_eq!(file["file_bytes"].as_u64(), Some(sum));
    let tensors = file["tensors"].as_array().unwrap();
    let coded = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|one| one["coded_bytes"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        file["payload_bytes"].as_u64(),
        Some(coded(&file["tensors"]))
    );
    assert_eq!(file["payload_bytes"].as_u64(), Some(coded(&file["totals"])));
    assert_eq!((tensors.len(), file["version"].as_u64()), (6, Some(1)));
    assert_eq!(file["sources"][0]["name"], "model.safetensors");
    assert_eq!(file["attachments"][0]["name"], "config.json");

    let tensor = &tensors[0];
    let expected = [
        "bits_per_weight",
        "chunk_samples",
        "coded_bytes",
        "data_offset",
        "digest",
        "dtype",
        "duplicate_of",
        "elements",
        "name",
        "parts",
        "raw_bytes",
        "shape",
        "source",
        "tools",
    ];
    assert_eq!(keys(tensor), expected);
    let expected = [
        "crc32c",
        "first_chunk",
        "mapping",
        "method",
        "num_chunks",
        "payload_bytes",
        "payload_offset",
        "stored_bits",
        "symbol_bits",
        "table_bytes",
        "zero_bits",
    ];
    assert_eq!(keys(&tensor["parts"][0]), expected);
    assert_eq!(tensor["digest"].as_str().unwrap().len(), 64);
    assert_eq!(tensors[5]["duplicate_of"], "model.embed_tokens.weight");
    let one = wcodec(
        home.path(),
        &[
            "inspect",
            "model.wcodec",
            "--tensor",
            "model.embed_tokens.weight",
            "--json",
        ],
    );
    let one = one.succeeded().json();
    assert_eq!(
        (keys(&one), &one["tensor"]),
        (vec!["duplicates", "file", "tensor"], tensor)
    );
    assert_eq!(one["duplicates"][0], "lm_head.weight");
}

/// Tensors whose coded lengths no better encoder changes.
fn steady_file() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let bytes = noise(100, 7);
    let tensors = [
        ("embedding", "U8", vec![10, 10], bytes.clone()),
        (
            "layer.1.scale",
            "F32",
            vec![300],
            1f32.to_le_bytes().repeat(300),
        ),
        ("layer.10.scale", "BF16", vec![0], vec![]),
        ("line\nbreak", "U8", vec![], vec![5]),
        ("lm_head", "U8", vec![10, 10], bytes),
    ];
    fs::write(
        home.path().join("steady.safetensors"),
        safetensors(&tensors),
    )
    .unwrap();
    wcodec(home.path(), &["encode", "steady.safetensors", "-q"]).succeeded();
    home
}

const FILE_TEXT: &str = include_str!("inspect_file.txt");
const TENSOR_TEXT: &str = include_str!("inspect_tensor.txt");

#[test]
fn inspect_prints_tables_that_line_up() {
    let home = steady_file();
    assert_eq!(
        wcodec(home.path(), &["inspect", "steady.wcodec"])
            .succeeded()
            .stdout,
        FILE_TEXT
    );
    let one = wcodec(
        home.path(),
        &["inspect", "steady.wcodec", "--tensor", "embedding"],
    )
    .succeeded();
    assert_eq!(one.stdout, TENSOR_TEXT);
}

#[test]
fn an_unknown_tensor_gets_names_near_it() {
    let home = encoded();
    let unknown = |name| wcodec(home.path(), &["inspect", "model.wcodec", "--tensor", name]);
    unknown("lm_head.weigth").failed(
        2,
        &[
            "model.wcodec, tensor `lm_head.weigth`",
            "is it `lm_head.weight`?",
        ],
    );
    unknown("up_proj").failed(2, &["is it `model.layers.0.mlp.up_proj.weight`?"]);
    unknown("vision").failed(2, &["wcodec inspect model.wcodec"]);
}
