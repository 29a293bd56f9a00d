//! What `inspect` shows.

use crate::support::{assert_keys, encoded, noise, safetensors, wcodec};
use serde_json::Value;
use std::fs;

/// The sum of one key over a list of objects.
fn sum(list: &Value, key: &str) -> u64 {
    let values = list.as_array().unwrap().iter();
    values.map(|one| one[key].as_u64().unwrap()).sum()
}

#[test]
fn json_accounts_for_every_byte() {
    let home = encoded();
    let file = wcodec(home.path(), &["inspect", "model.wcodec", "--json"]);
    let file = file.succeeded().json();
    assert_keys(
        &file,
        "file version sources attachments totals tensors elements ratio bits_per_weight \
         file_bytes source_bytes attachment_bytes payload_bytes source_header_bytes index_bytes",
    );
    let payload_bytes = file["payload_bytes"].as_u64().unwrap();
    let others = ["attachment_bytes", "index_bytes", "source_header_bytes"];
    let others: u64 = others.iter().map(|part| file[part].as_u64().unwrap()).sum();
    assert_eq!(file["file_bytes"].as_u64(), Some(payload_bytes + others));
    assert_eq!(payload_bytes, sum(&file["tensors"], "coded_bytes"));
    assert_eq!(payload_bytes, sum(&file["totals"], "coded_bytes"));
    assert_eq!(
        file["elements"].as_u64(),
        Some(sum(&file["tensors"], "elements"))
    );
    assert_eq!(file["version"], 2);
    assert_eq!(file["sources"][0]["name"], "model.safetensors");
    assert_eq!(file["attachments"][0]["name"], "config.json");
}

#[test]
fn json_describes_each_tensor_and_its_parts() {
    let home = encoded();
    let json = |args: &[&str]| {
        let run = wcodec(
            home.path(),
            &[&["inspect", "model.wcodec", "--json"], args].concat(),
        );
        run.succeeded().json()
    };
    let file = json(&[]);
    let first = &file["tensors"][0];
    assert_keys(
        first,
        "name dtype shape elements raw_bytes coded_bytes bits_per_weight tools source data_offset \
         duplicate_of digest chunk_samples parts",
    );
    assert_keys(
        &first["parts"][0],
        "method mapping symbol_bits stored_bits zero_bits first_chunk num_chunks payload_offset \
         payload_bytes table_bytes crc32c",
    );
    assert_eq!(first["digest"].as_str().unwrap().len(), 64);
    assert_eq!(
        file["tensors"][5]["duplicate_of"],
        "model.embed_tokens.weight"
    );

    let one = json(&["--tensor", "model.embed_tokens.weight"]);
    assert_keys(&one, "file tensor duplicates");
    assert_eq!(&one["tensor"], first);
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
