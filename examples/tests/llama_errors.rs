//! Wrong input to the example `llama`: one line that says what to do next, and the exit code of its kind.

mod support;

use std::fs;
use std::path::Path;
use support::{TINY_CONFIG, TINY_TENSORS, TINY_TOKENIZER, TinyModel, run, safetensors};
use wcodec::checkpoint;

const USAGE: i32 = 2;
const IO: i32 = 3;
const OTHER: i32 = 1;

#[test]
fn wrong_usage() {
    for (options, part) in [
        (["--dtype", "f64"], "f32, f16, bf16"),
        (["--temperature", "warm"], "--temperature"),
        (["--config", "config.json"], "--weights"),
        (["--wieghts", "model.wcodec"], "--weights"),
    ] {
        let run = run(options);
        assert_eq!(run.code, Some(USAGE), "{}", run.stderr);
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}

#[test]
fn weights_that_are_not_there() {
    run(["--weights", "no/such/model.wcodec"])
        .failed(IO, &["`no/such/model.wcodec`", "--weights", "No such file"]);
    let empty = tempfile::tempdir().unwrap();
    run(["--weights", empty.path().to_str().unwrap()])
        .failed(IO, &["holds no model.safetensors", "--weights"]);
}

#[test]
fn several_weights_in_one_directory() {
    let model = TinyModel::without("model.safetensors");
    model.write("a.safetensors", b"");
    model.write("b.wcodec", b"");
    model
        .run(&[])
        .failed(OTHER, &["2 files with weights", "--weights"]);
}

#[test]
fn weights_that_are_something_else() {
    let model = TinyModel::with("model.safetensors", "hello");
    model
        .run(&[])
        .failed(OTHER, &["safetensors", "model.safetensors"]);
    model.write("model.wcodec", b"hello, I am no weights at all");
    model
        .run_file("model.wcodec", &[])
        .failed(OTHER, &["model.wcodec", "--weights"]);
    model
        .run_file("config.json", &[])
        .failed(OTHER, &["config.json", "--weights"]);
}

#[test]
fn indices_of_shards_that_lead_nowhere() {
    let model = TinyModel::without("model.safetensors");
    let index = |text: &str| {
        model.write("model.safetensors.index.json", text.as_bytes());
        model.run(&[])
    };
    index(r#"{"weight_map": {"w": "gone.safetensors"}}"#)
        .failed(IO, &["gone.safetensors", "--weights"]);
    index(r#"{"weight_map": {"w": "../secret"}}"#)
        .failed(OTHER, &["something else than file names"]);
    index(r#"{"weight_map": {"w": 1}}"#).failed(OTHER, &["something else than file names"]);
    index(r#"{"weight_map": {}}"#).failed(OTHER, &["`weight_map` is empty"]);
    index("{}").failed(OTHER, &["no `weight_map`"]);
    index("[").failed(OTHER, &["is not the index"]);
}

#[test]
fn missing_companions() {
    TinyModel::without("config.json")
        .run(&[])
        .failed(IO, &["config.json", "--config"]);
    TinyModel::without("tokenizer.json")
        .run(&[])
        .failed(IO, &["tokenizer.json", "--tokenizer"]);
    TinyModel::new()
        .run(&["--config", "gone.json"])
        .failed(IO, &["`gone.json`", "--config"]);
    TinyModel::new()
        .run(&["--tokenizer", "gone.json"])
        .failed(IO, &["`gone.json`", "--tokenizer"]);
}

#[test]
fn companions_that_are_something_else() {
    TinyModel::with("config.json", "hello")
        .run(&[])
        .failed(OTHER, &["config.json", "--config"]);
    TinyModel::with("config.json", "{}")
        .run(&[])
        .failed(OTHER, &["config.json", "missing field", "--config"]);
    TinyModel::with("tokenizer.json", "hello")
        .run(&[])
        .failed(OTHER, &["tokenizer.json", "--tokenizer"]);
    TinyModel::with("tokenizer.json", TINY_CONFIG)
        .run(&[])
        .failed(OTHER, &["tokenizer.json", "--tokenizer"]);
}

#[test]
fn configs_of_another_model() {
    let changed = |from: &str, to: &str| {
        TinyModel::with("config.json", TINY_CONFIG.replace(from, to)).run(&[])
    };
    changed("\"vocab_size\": 5", "\"vocab_size\": 6")
        .failed(OTHER, &["embed_tokens", "[5, 8]", "[6, 8]", "--config"]);
    changed("layers\": 1", "layers\": 2").failed(
        OTHER,
        &["no tensor `model.layers.1.self_attn.q_proj", "--config"],
    );
    changed("embeddings\": true", "embeddings\": false")
        .failed(OTHER, &["no tensor `lm_head.weight`", "--config"]);
    changed("\"llama\"", "\"gpt2\"").failed(OTHER, &["model_type `gpt2`"]);
}

#[test]
fn weights_of_another_kind() {
    let biased = [
        &TINY_TENSORS[..],
        &[("model.layers.0.self_attn.q_proj.bias", &[8])],
    ]
    .concat();
    TinyModel::with("model.safetensors", safetensors("F32", &biased))
        .run(&[])
        .failed(OTHER, &["q_proj.bias"]);
    TinyModel::with("model.safetensors", safetensors("I16", &TINY_TENSORS))
        .run(&[])
        .failed(OTHER, &["is I16"]);
}

#[test]
fn prompts_that_do_not_fit() {
    let long = "one ".repeat(17);
    TinyModel::new()
        .run(&["--prompt", &long])
        .failed(OTHER, &["17 tokens", "16 positions", "--prompt"]);
    TinyModel::new()
        .run(&["--prompt", ""])
        .failed(OTHER, &["the prompt is empty", "--prompt"]);
    let large = TinyModel::with("tokenizer.json", TINY_TOKENIZER.replace("4}", "9}"));
    large
        .run(&["--prompt", "five"])
        .failed(OTHER, &["token 9", "vocabulary has 5", "--tokenizer"]);
}
#[test]
fn damaged_weights() {
    let model = TinyModel::new();
    let file = model.path("model.wcodec");
    checkpoint::import(
        Path::new(&model.path("")),
        Path::new(&file),
        &checkpoint::ImportOptions::default(),
    )
    .unwrap();
    let whole = fs::read(&file).unwrap();
    let tokens = model.run_file("model.wcodec", &[]).tokens();

    let mut num_refused = 0;
    for position in (0..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x10;
        model.write("model.wcodec", &damaged);
        let run = model.run_file("model.wcodec", &[]);
        // Nothing depends on the padding between two regions of the file, nor on what the run does not read.
        if run.code == Some(0) {
            assert_eq!(run.tokens(), tokens, "byte {position}");
        } else {
            run.failed(OTHER, &["model.wcodec"]);
            num_refused += 1;
        }
    }
    assert!(
        num_refused * 61 > whole.len() / 2,
        "{num_refused} of {}",
        whole.len()
    );

    for len in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        model.write("model.wcodec", &whole[..len]);
        model
            .run_file("model.wcodec", &[])
            .failed(OTHER, &["model.wcodec"]);
    }
}
