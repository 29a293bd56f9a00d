//! What the example `llama` writes.

mod support;

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use support::{TINY_CONFIG, TINY_TENSORS, TinyModel, llama, run, safetensors, trained_model};
use wcodec::checkpoint;

#[test]
fn no_arguments_run_the_built_in_model() {
    let run = run([]);
    let text = run.text();
    assert!(
        text.starts_with("Once upon a time, there was a little boy named Timmy."),
        "{text}"
    );
    assert!(text.ends_with('\n') && text.len() > 200, "{text}");
    for part in [
        "tinystories-3m (built in)",
        "open",
        "build the model",
        "first token",
        "tokens/s",
        "peak memory",
    ] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}

#[test]
fn the_built_in_model_writes_the_text_of_the_reference() {
    // By an independent implementation in PyTorch: models/README.md.
    let expected = "Once upon a time, there was a little girl named Lily. She loved to play with her toys and eat snacks. \
                    One day, she found a big, red ball.";
    let run = run(["--temperature", "0", "--repeat-penalty", "1", "-n", "40"]);
    assert!(run.text().starts_with(expected), "{}", run.stdout);
}

#[test]
fn greedy_tokens_are_those_of_the_safetensors_file() {
    for name in ["stories260K", "tiny1m", "tinystories-3m", "stories7m"] {
        let Some(folder) = trained_model(name) else {
            continue;
        };
        for dtype in ["f32", "bf16", "f16"] {
            let source = folder.join(dtype);
            let target = tempfile::tempdir().unwrap();
            let target = target.path().join("model.wcodec");
            checkpoint::import(&source, &target, &checkpoint::ImportOptions::default()).unwrap();
            let tokens = |weights: &Path| {
                let weights = weights.to_str().unwrap();
                run([
                    "--weights",
                    weights,
                    "--temperature",
                    "0",
                    "-n",
                    "60",
                    "--print-tokens",
                ])
                .tokens()
            };
            let expected = tokens(&source);
            assert!(expected.len() > 20, "{name} {dtype}: {expected:?}");
            assert_eq!(tokens(&target), expected, "{name} {dtype}");
        }
    }
}

#[test]
fn the_key_value_cache_changes_nothing() {
    let model = TinyModel::new();
    assert_eq!(
        model.run(&[]).tokens(),
        model.run(&["--no-kv-cache"]).tokens()
    );
}

#[test]
fn the_seed_decides() {
    let model = TinyModel::new();
    let text = |seed| model.run_file("", &["--seed", seed]).text().to_owned();
    assert_eq!(text("1"), text("1"));
    let free = |seed| {
        let path = model.path("");
        run(["--weights", &path, "--prompt", "one", "--seed", seed])
            .text()
            .to_owned()
    };
    assert_eq!(free("1"), free("1"));
    assert_ne!(free("1"), free("2"));
}

#[test]
fn the_length_is_what_was_asked_or_what_the_model_has() {
    let model = TinyModel::new();
    let short = model.run(&["-n", "3"]);
    assert_eq!(short.tokens().len(), 2 + 3);
    assert!(!short.stderr.contains("note"), "{}", short.stderr);
    assert_eq!(model.run(&["-n", "0"]).tokens().len(), 2);
    // The last of 16 positions still gives a token.
    let full = model.run(&[]);
    assert_eq!(full.tokens().len(), 16 + 1);
    assert!(
        full.stderr.contains("note: stopped, all 16 positions"),
        "{}",
        full.stderr
    );
}

#[test]
fn the_end_token_ends_the_text() {
    let model = TinyModel::new();
    let free = model.run(&[]).tokens();
    let config = TINY_CONFIG.replace(
        "{\"model_type\"",
        &format!("{{\"eos_token_id\": [{}], \"model_type\"", free[4]),
    );
    model.write("config.json", config.as_bytes());
    let ended = model.run(&[]).tokens();
    let first = free
        .iter()
        .skip(2)
        .position(|token| *token == free[4])
        .unwrap();
    assert_eq!(ended, free[..=2 + first]);
}

#[test]
fn the_start_token_comes_first_and_is_not_shown() {
    let config = TINY_CONFIG.replace("{\"model_type\"", "{\"bos_token_id\": 4, \"model_type\"");
    let model = TinyModel::with("config.json", config);
    let run = model.run(&["-n", "1"]);
    assert_eq!(run.tokens()[..3], [4, 0, 1]);
    assert!(run.text().starts_with("one two"), "{}", run.stdout);
    model.run(&["--prompt", ""]).text();
}

#[test]
fn shards_are_one_model() {
    let whole = TinyModel::new();
    let parts = TinyModel::without("model.safetensors");
    parts.write("a.safetensors", &safetensors("F32", &TINY_TENSORS[..4]));
    parts.write("b.safetensors", &safetensors("F32", &TINY_TENSORS[4..]));
    let file = |index: usize| {
        if index < 4 {
            "a.safetensors"
        } else {
            "b.safetensors"
        }
    };
    let map = TINY_TENSORS
        .iter()
        .enumerate()
        .map(|(index, (name, _))| format!("\"{name}\": \"{}\"", file(index)));
    let map = map.collect::<Vec<_>>().join(",");
    parts.write(
        "model.safetensors.index.json",
        format!("{{\"weight_map\": {{{map}}}}}").as_bytes(),
    );
    assert_eq!(parts.run(&[]).tokens(), whole.run(&[]).tokens());
    assert_eq!(
        parts.run_file("model.safetensors.index.json", &[]).tokens(),
        whole.run(&[]).tokens()
    );
}

#[test]
fn companions_come_from_the_options_first() {
    let model = TinyModel::with("config.json", "not this one");
    let other = TinyModel::new();
    let config = other.path("config.json");
    let tokenizer = other.path("tokenizer.json");
    model
        .run_file(
            "model.safetensors",
            &["--config", &config, "--tokenizer", &tokenizer],
        )
        .text();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = llama()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
}
