//! What the command prints: lines, tables, JSON, help.

use crate::support::{assert_keys, encoded, shell, wcodec};
use serde_json::Value;
use std::fs;

#[test]
fn closing_lines_say_sizes_and_time() {
    let home = encoded();
    let line = |args: &[&str]| {
        let run = wcodec(home.path(), args).succeeded();
        assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
        // All but the time, which no test can know.
        let end = run.stdout.rfind(", ").unwrap();
        assert!(
            run.stdout[end..].contains(" s (") && run.stdout.ends_with("B/s)\n"),
            "{run:?}"
        );
        run.stdout[..end].to_owned()
    };
    let encode = line(&["encode", "single", "-o", "m.wcodec", "--no-attach"]);
    assert!(
        encode.starts_with("m.wcodec: 253 kB -> ") && encode.ends_with(" b/w, 126,049 weights"),
        "{encode}"
    );
    let attached = line(&["encode", "single", "-o", "n.wcodec"]);
    assert!(attached.contains(" %) + 324 B attached, "), "{attached}");
    assert_eq!(
        line(&["verify", "m.wcodec"]),
        "m.wcodec: whole, 6 tensors, 252 kB"
    );
    let against = line(&["verify", "m.wcodec", "--against", "single"]);
    assert_eq!(
        against,
        "m.wcodec: bit-exact with single, 6 tensors, 252 kB"
    );
    let decode = line(&["decode", "model.wcodec", "-o", "restored"]);
    assert!(
        decode.starts_with("restored: ") && decode.ends_with(" -> 253 kB in 3 files"),
        "{decode}"
    );
}

#[test]
fn quiet_prints_nothing() {
    let home = encoded();
    for args in [
        &["encode", "single", "-o", "q.wcodec", "--quiet"][..],
        &["verify", "q.wcodec", "-q"],
        &["decode", "q.wcodec", "--quiet"],
    ] {
        assert_eq!(wcodec(home.path(), args).succeeded().stdout, "");
    }
}

/// What every report holds, whatever the command.
const SIZES: &str =
    "attachment_bytes bits_per_weight elements file_bytes ratio source_bytes tensors";

#[test]
fn json_has_the_documented_keys() {
    let home = encoded();
    let json = |args: &[&str], own: &str| {
        let report = wcodec(home.path(), args).succeeded().json();
        assert_eq!(report["command"], args[0]);
        assert_keys(&report, &format!("{SIZES} command seconds gb_per_s {own}"));
        report
    };
    let encode = json(
        &["encode", "single", "-o", "j.wcodec", "--json"],
        "source file",
    );
    let decode = json(&["decode", "j.wcodec", "--json"], "file target files");
    let verify = json(
        &["verify", "j.wcodec", "--against", "single", "--json"],
        "file against",
    );
    let alone = json(&["verify", "j.wcodec", "--json"], "file against");
    assert_eq!(alone["against"], Value::Null);
    assert_eq!(decode["files"].as_array().unwrap().len(), 3);

    for report in [&encode, &decode, &verify] {
        assert!(report["seconds"].is_number() && report["gb_per_s"].is_number());
        for key in SIZES.split(' ') {
            assert!(report[key].is_number(), "{key}");
            assert_eq!(report[key], encode[key], "{key}");
        }
    }
    let file_bytes = fs::metadata(home.path().join("j.wcodec")).unwrap().len();
    assert_eq!(encode["file_bytes"], file_bytes);
    assert_eq!(encode["attachment_bytes"], 324);
    let per_weight = 8.0 * (file_bytes - 324) as f64 / 126_049.0;
    assert!((encode["bits_per_weight"].as_f64().unwrap() - per_weight).abs() < 1e-9);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let home = encoded();
    for command in [
        "inspect model.wcodec",
        "inspect model.wcodec --json",
        "completions bash",
        "verify model.wcodec",
    ] {
        let run = shell(
            home.path(),
            &format!("{{ \"$wcodec\" {command}; echo $? >&2; }} | true"),
        );
        assert_eq!(
            (run.stdout.as_str(), run.stderr.as_str()),
            ("", "0\n"),
            "{command}"
        );
    }
}

#[test]
fn usage_errors_exit_with_two() {
    let home = encoded();
    for args in [
        &[][..],
        &["encrypt"],
        &["encode"],
        &["encode", "single", "--effort", "least"],
        &["encode", "single", "--threads", "0"],
        &["verify", "model.wcodec", "--quiet", "--json"],
        &["inspect", "model.wcodec", "--force"],
        &["completions", "cmd"],
    ] {
        let run = wcodec(home.path(), args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
        assert!(
            run.stderr.contains("Usage:") || run.stderr.contains("--help"),
            "{run:?}"
        );
    }
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let home = tempfile::tempdir().unwrap();
    let help = |args: &[&str]| wcodec(home.path(), args).succeeded().stdout;
    let top = help(&["--help"]);
    for line in [
        "  0    done\n",
        "  1    ",
        "  2    wrong usage",
        "  3    reading or writing",
        "  130  stopped by Ctrl-C",
    ] {
        assert!(top.contains(line), "{line}");
    }
    for command in ["encode", "decode", "verify", "inspect", "completions"] {
        let text = help(&[command, "--help"]);
        assert!(
            text.contains(&format!("Examples:\n  wcodec {command} ")),
            "{command}"
        );
    }
    assert_eq!(
        help(&["--version"]),
        format!("wcodec {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_for_every_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = wcodec(home.path(), &["completions", shell])
            .succeeded()
            .stdout;
        assert!(
            script.contains("wcodec") && script.contains("against"),
            "{shell}"
        );
    }
}
