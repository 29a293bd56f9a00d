//! Targets that stand already, and those that cannot be.

use crate::support::{digests, encoded, names, single, wcodec};
use std::fs;
use std::path::Path;

#[test]
fn nothing_is_replaced_without_force() {
    let home = encoded();
    let before = digests_of_files(home.path());
    let refused = wcodec(
        home.path(),
        &["encode", "single", "-o", "model.wcodec", "--effort", "max"],
    );
    refused.failed(2, &["model.wcodec", "--force"]);
    let refused = wcodec(home.path(), &["decode", "model.wcodec", "-o", "single"]);
    refused.failed(2, &["single", "model.safetensors", "--force"]);
    wcodec(
        home.path(),
        &["decode", "model.wcodec", "-o", "one.safetensors"],
    )
    .succeeded();
    wcodec(
        home.path(),
        &["decode", "model.wcodec", "-o", "one.safetensors"],
    )
    .failed(2, &["one.safetensors"]);
    fs::remove_file(home.path().join("one.safetensors")).unwrap();
    assert_eq!(digests_of_files(home.path()), before);

    fs::write(home.path().join("single/config.json"), b"changed").unwrap();
    wcodec(
        home.path(),
        &["decode", "model.wcodec", "-o", "single", "--force"],
    )
    .succeeded();
    wcodec(
        home.path(),
        &["verify", "model.wcodec", "--against", "single"],
    )
    .succeeded();
    fs::write(home.path().join("model.wcodec"), b"old").unwrap();
    wcodec(
        home.path(),
        &["encode", "single", "-o", "model.wcodec", "--force"],
    )
    .succeeded();
    assert_eq!(digests_of_files(home.path()), before);
}

/// The digests of `model.wcodec` and of the checkpoint's folder.
fn digests_of_files(
    home: &Path,
) -> (
    Vec<String>,
    Vec<u8>,
    std::collections::BTreeMap<String, String>,
) {
    (
        names(home),
        fs::read(home.join("model.wcodec")).unwrap(),
        digests(&home.join("single")),
    )
}

#[test]
fn wrong_targets_are_refused_before_any_work() {
    let home = encoded();
    let file_as_folder = wcodec(
        home.path(),
        &["decode", "model.wcodec", "-o", "model.wcodec"],
    );
    file_as_folder.failed(2, &["model.wcodec", "is a file"]);
    let folder_as_file = wcodec(
        home.path(),
        &["encode", "single", "-o", "single", "--force"],
    );
    folder_as_file.failed(2, &["single", "is a folder"]);
    let other_kind = wcodec(
        home.path(),
        &[
            "encode",
            "single",
            "-o",
            "single/model.safetensors",
            "--force",
        ],
    );
    other_kind.failed(2, &["single/model.safetensors", "name a .wcodec file"]);
    fs::copy(
        home.path().join("single/model.safetensors"),
        home.path().join("weights"),
    )
    .unwrap();
    let itself = wcodec(
        home.path(),
        &["encode", "weights", "-o", "./weights", "--force"],
    );
    itself.failed(2, &["weights", "is the checkpoint itself"]);
    for args in [
        ["encode", "single", "-o", "nope/m.wcodec"],
        ["decode", "model.wcodec", "-o", "nope/restored"],
    ] {
        wcodec(home.path(), &args).failed(3, &["nope: ", "no such folder"]);
    }
    assert_eq!(names(home.path()), ["model.wcodec", "single", "weights"]);
}

/// `--force` replaces files, not what else may stand under a name.
#[test]
fn only_regular_files_are_replaced() {
    let home = tempfile::tempdir().unwrap();
    single(home.path());
    std::os::unix::fs::symlink("elsewhere", home.path().join("link.wcodec")).unwrap();
    for target in [
        "link.wcodec",
        "single/config.json",
        "single/model.safetensors/",
        "new/.",
    ] {
        let before = fs::read(home.path().join("single/config.json")).unwrap();
        let run = wcodec(home.path(), &["encode", "single", "-o", target, "--force"]);
        run.failed(2, &[target.trim_end_matches(['/', '.'])]);
        assert_eq!(
            fs::read(home.path().join("single/config.json")).unwrap(),
            before
        );
    }
    wcodec(home.path(), &["encode", "single", "-o", "m.wcodec"]).succeeded();
    // A folder stands where a file is to go: found out before the first file is written.
    fs::create_dir_all(home.path().join("back/tokenizer.json")).unwrap();
    let run = wcodec(
        home.path(),
        &["decode", "m.wcodec", "-o", "back", "--force"],
    );
    run.failed(2, &["back/tokenizer.json"]);
    assert!(!home.path().join("back/model.safetensors").exists());
    // A folder's name may end like one.
    wcodec(home.path(), &["decode", "m.wcodec", "-o", "slash/"]).succeeded();
    assert!(home.path().join("slash/model.safetensors").is_file());
}

/// Links to one blob, as caches lay models out, are files of their own names.
#[test]
fn attachments_that_share_a_blob_are_all_attached() {
    let home = tempfile::tempdir().unwrap();
    single(home.path());
    for name in ["generation_config.json", "special_tokens_map.json"] {
        std::os::unix::fs::symlink("config.json", home.path().join("single").join(name)).unwrap();
    }
    wcodec(home.path(), &["encode", "single", "-o", "m.wcodec"]).succeeded();
    wcodec(home.path(), &["decode", "m.wcodec", "-o", "back"]).succeeded();
    for name in [
        "config.json",
        "generation_config.json",
        "special_tokens_map.json",
    ] {
        assert!(home.path().join("back").join(name).is_file(), "{name}");
    }
}
