//! There and back, and what stands in the way.

use crate::support::{command, digests, sharded, single, wcodec};
use std::fs;
use std::path::Path;

/// `restored` holds exactly the files `expected` of `original`, byte for byte.
fn assert_restored(original: &Path, restored: &Path, expected: &[&str]) {
    let (originals, found) = (digests(original), digests(restored));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected);
    for name in expected {
        assert_eq!(found[*name], originals[*name], "{name}");
    }
}

#[test]
fn a_single_file_in_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let original = single(home.path());
    wcodec(home.path(), &["encode", "single", "-o", "m.wcodec"]).succeeded();
    wcodec(home.path(), &["verify", "m.wcodec", "--against", "single"]).succeeded();
    wcodec(home.path(), &["decode", "m.wcodec", "-o", "restored/"]).succeeded();
    assert_restored(
        &original,
        &home.path().join("restored"),
        &["config.json", "model.safetensors", "tokenizer.json"],
    );
    wcodec(
        home.path(),
        &["decode", "m.wcodec", "-o", "one.safetensors"],
    )
    .succeeded();
    assert_eq!(
        digests(home.path())["one.safetensors"],
        digests(&original)["model.safetensors"]
    );
}

#[test]
fn a_file_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let original = single(home.path());
    wcodec(home.path(), &["encode", "single/model.safetensors"]).succeeded();
    wcodec(
        home.path(),
        &[
            "verify",
            "model.wcodec",
            "--against",
            "single/model.safetensors",
        ],
    )
    .succeeded();
    wcodec(home.path(), &["decode", "model.wcodec"]).succeeded();
    assert_restored(
        &original,
        &home.path().join("model"),
        &["model.safetensors"],
    );
}

#[test]
fn a_sharded_checkpoint_by_folder_or_index() {
    let home = tempfile::tempdir().unwrap();
    let original = sharded(home.path());
    let index = "sharded/model.safetensors.index.json";
    for source in ["sharded", index] {
        wcodec(home.path(), &["encode", source, "--force"]).succeeded(); // both default to sharded.wcodec
        wcodec(
            home.path(),
            &["verify", "sharded.wcodec", "--against", source],
        )
        .succeeded();
        wcodec(
            home.path(),
            &["decode", "sharded.wcodec", "--force", "-o", "both"],
        )
        .succeeded();
    }
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ];
    assert_restored(
        &original,
        &home.path().join("both"),
        &[&["config.json"], &shards[..]].concat(),
    );
    let one = wcodec(
        home.path(),
        &["decode", "sharded.wcodec", "-o", "one.safetensors"],
    );
    one.failed(2, &["one.safetensors", "name a folder"]);

    wcodec(home.path(), &["encode", index, "-o", "index.wcodec"]).succeeded();
    wcodec(home.path(), &["decode", "index.wcodec"]).succeeded();
    assert_restored(&original, &home.path().join("index"), &shards);
}

#[test]
fn attachments_as_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let original = single(home.path());
    let cases: [(&[&str], &[&str]); 3] = [
        (&["--no-attach"], &["model.safetensors"]),
        (
            &["--attach", "single/notes.txt"],
            &[
                "config.json",
                "model.safetensors",
                "notes.txt",
                "tokenizer.json",
            ],
        ),
        (
            &["--no-attach", "--attach", "single/notes.txt"],
            &["model.safetensors", "notes.txt"],
        ),
    ];
    for (number, (options, expected)) in cases.into_iter().enumerate() {
        let (file, folder) = (format!("{number}.wcodec"), number.to_string());
        wcodec(
            home.path(),
            &[&["encode", "single", "-o", &file], options].concat(),
        )
        .succeeded();
        wcodec(home.path(), &["verify", &file, "--against", "single"]).succeeded();
        wcodec(home.path(), &["decode", &file]).succeeded();
        assert_restored(&original, &home.path().join(folder), expected);
    }
    wcodec(
        home.path(),
        &["decode", "1.wcodec", "-o", "bare", "--no-attach"],
    )
    .succeeded();
    assert_restored(&original, &home.path().join("bare"), &["model.safetensors"]);
    let twice = wcodec(
        home.path(),
        &[
            "encode",
            "single",
            "-o",
            "x.wcodec",
            "--attach",
            "single/model.safetensors",
        ],
    );
    twice.failed(
        2,
        &["single/model.safetensors", "another file of that name"],
    );
    let missing = wcodec(
        home.path(),
        &["encode", "single", "-o", "x.wcodec", "--attach", "nope.txt"],
    );
    missing.failed(3, &["nope.txt"]);
    assert!(!home.path().join("x.wcodec").exists());
}

#[test]
fn the_same_file_at_every_thread_count_and_another_at_each_effort() {
    let home = tempfile::tempdir().unwrap();
    single(home.path());
    for threads in ["1", "3"] {
        wcodec(
            home.path(),
            &["encode", "single", "-o", threads, "--threads", threads],
        )
        .succeeded();
    }
    assert_eq!(
        fs::read(home.path().join("1")).unwrap(),
        fs::read(home.path().join("3")).unwrap()
    );
    for effort in ["fast", "default", "max"] {
        wcodec(
            home.path(),
            &["encode", "single", "-o", effort, "--effort", effort, "-q"],
        )
        .succeeded();
        wcodec(
            home.path(),
            &["verify", effort, "--against", "single", "--threads", "1"],
        )
        .succeeded();
    }
    let len = |name: &str| fs::metadata(home.path().join(name)).unwrap().len();
    assert!(len("max") <= len("default") && len("default") <= len("fast"));
}

#[test]
fn a_name_without_meaning_becomes_that_of_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = single(home.path());
    wcodec(&folder, &["encode", "."]).succeeded();
    assert!(folder.join("single.wcodec").is_file());
}

/// Real models, wherever they are.
#[test]
fn a_real_model() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let models = std::env::var_os("WCODEC_MODELS").map_or(default, Into::into);
    let model = models.join("stories260K/bf16");
    if !model.is_dir() {
        println!("skipped: no {} (set WCODEC_MODELS)", model.display());
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let encode = command(home.path(), &["encode", "-o", "m.wcodec"])
        .arg(&model)
        .output()
        .unwrap();
    assert!(encode.status.success(), "{encode:?}");
    let verify = command(home.path(), &["verify", "m.wcodec", "--against"])
        .arg(&model)
        .output()
        .unwrap();
    assert!(verify.status.success(), "{verify:?}");
    wcodec(home.path(), &["decode", "m.wcodec", "-o", "restored"]).succeeded();
    let (originals, restored) = (digests(&model), digests(&home.path().join("restored")));
    assert!(
        restored.len() >= 2
            && restored
                .iter()
                .all(|(name, digest)| originals[name] == *digest)
    );
}
