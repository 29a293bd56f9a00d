//! The command as its users call it, with the model of the repository.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use wcodec::Reader;
use wcodec::checkpoint::{ExportOptions, export};

const STORY: &str =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.";

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/tinystories-3m.wcodec")
}

fn evals(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evals"));
    command.args(arguments).output().unwrap()
}

/// A folder with the model as safetensors, and a text.
fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let restored = folder.path().join("model");
    export(
        &Reader::open(model()).unwrap(),
        &restored,
        &ExportOptions::default(),
    )
    .unwrap();
    let text = folder.path().join("story.txt");
    std::fs::write(&text, STORY).unwrap();
    (folder, restored, text)
}

#[test]
fn perplexity_says_that_a_coded_file_is_the_same() {
    let (_folder, restored, text) = folder();
    let arguments: [&dyn AsRef<std::ffi::OsStr>; 7] = [
        &"perplexity",
        &"--weights",
        &restored,
        &"--against",
        &model(),
        &"--text",
        &text,
    ];
    let output = evals(&arguments);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        words.contains("every logit is the same bits") && words.contains("exactly 0"),
        "{words}"
    );

    let output = evals(
        &[
            &arguments[..],
            &[&"--json", &"--require-equal", &"--limit-tokens", &"5"],
        ]
        .concat(),
    );
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = &json["results"];
    assert_eq!(results["difference"]["logits_equal"], true);
    assert_eq!(results["difference"]["perplexity"]["value"], 0.0);
    assert_eq!(results["quality"]["tokens"], 5);
    // Where it comes from, without a path.
    let origin = &json["origin"];
    let command = origin["command"].as_str().unwrap();
    assert!(
        command.starts_with("evals perplexity --weights model --against tinystories-3m.wcodec")
    );
    let inputs = origin["inputs_sha256"].as_object().unwrap();
    let names: Vec<&str> = inputs.keys().map(String::as_str).collect();
    let expected = [
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "story.txt",
        "tinystories-3m.wcodec",
    ];
    assert!(
        expected.iter().all(|name| names.contains(name)),
        "{names:?}"
    );
}

#[test]
fn load_time_compares_loaders_and_records_them() {
    let (folder, restored, _) = folder();
    let trace = folder.path().join("trace.json");
    let output = evals(&[
        &"load-time",
        &"--weights",
        &restored,
        &"--against",
        &model(),
        &"--runs",
        &"1",
        &"--cold",
        &"--storage",
        &"1",
        &"--work-dir",
        &folder.path(),
        &"--trace",
        &trace,
        &"--json",
    ]);
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let inputs = json["origin"]["inputs_sha256"].as_object().unwrap();
    for name in [
        "model/config.json",
        "model/model.safetensors",
        "tinystories-3m.wcodec",
    ] {
        assert!(inputs.contains_key(name), "{name} in {inputs:?}");
    }
    let rows = json["results"].as_array().unwrap();
    assert_eq!(rows.len(), 4 + 4 + 4, "warm, cold and slow");
    for row in rows {
        let stage = |name: &str| row[name]["median"].as_f64().unwrap();
        assert!(
            stage("open") <= stage("built") && stage("built") < stage("first_token"),
            "{row}"
        );
        // What was in the page cache is known, and of a cold row how it left.
        let cold = row["storage"] == "cold";
        let found = row["residency"][if cold { "most" } else { "least" }].as_f64();
        match (cold, row["evicted"].as_str(), found) {
            (_, _, None) => assert!(row["residency"].is_null(), "{row}"),
            (true, Some("posix_fadvise" | "drop_caches"), Some(found)) => assert!(found < 1.0),
            (true, evicted, _) => assert_eq!(evicted, Some("not evicted, or not known")),
            (false, evicted, Some(found)) => assert!(evicted.is_none() && found >= 99.0, "{row}"),
        }
        assert!(row["peak_device_bytes"].is_null() && row.get("peak_device_bytes").is_some());
        assert_eq!(row["storage_bytes"].is_u64(), row["storage"].is_object());
    }
    let trace: serde_json::Value = serde_json::from_slice(&std::fs::read(&trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of_kind = |kind: &str| events.iter().filter(|event| event["cat"] == kind).count();
    assert!(of_kind("decode") > 10 && of_kind("read") > 10 && of_kind("build") > 10);
    assert_eq!(of_kind("first token"), 4);
}

/// `println!` panics when the reader has gone, as after `| head`.
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let (_folder, restored, text) = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evals"));
    command.args(["perplexity", "--limit-tokens", "2", "--json"]);
    command
        .arg("--weights")
        .arg(&restored)
        .arg("--text")
        .arg(&text);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn errors_say_what_to_do() {
    let (_folder, _, text) = folder();
    for (more, words) in [
        (&["--weights", "none"][..], "cannot open the weights `none`"),
        (
            &["--weights", "Cargo.toml"],
            "neither .safetensors nor .wcodec nor .gguf",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_evals"))
            .args(["perplexity", "--text"])
            .arg(&text)
            .args(more)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let output = evals(&[
        &"perplexity",
        &"--weights",
        &model(),
        &"--text",
        &text,
        &"--context",
        &"100000",
    ]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("--context 100000: it must be 2 to 256"),
        "{error}"
    );
    for (more, words) in [
        (["--context", "1"], "1 is not in 2.."),
        (["--stride", "0"], "0 is not in 1.."),
        (
            ["--tokens", "none/tokens.csv"],
            "cannot write none/tokens.csv",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_evals"))
            .args(["perplexity", "--weights", "none", "--text", "none"])
            .args(more)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(words), "{error}");
    }
    let output = evals(&[
        &"perplexity",
        &"--weights",
        &model(),
        &"--text",
        &text,
        &"--device",
        &"gpu",
    ]);
    assert_eq!(output.status.code(), Some(2));
}
