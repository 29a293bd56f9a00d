//! Ctrl-C and worse: nothing half-written stands under the target's name.

use crate::support::{command, names, safetensors, shell, weights};
use std::fs;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// Enough for a second of one thread: five tensors of 32 MiB, no two the same.
fn large_file(home: &Path) {
    let (_, block) = weights(2048, 1024, 1);
    let tensors = ["a", "b", "c", "d", "e"].map(|name| {
        let mut bytes = block.repeat(8);
        bytes[0] ^= name.as_bytes()[0];
        (name, "BF16", vec![8 * 2048, 1024], bytes)
    });
    fs::write(home.join("large.safetensors"), safetensors(&tensors)).unwrap();
}

/// Starts the command and sends it a signal as soon as its temporary file is there.
fn signal_at_work(home: &Path, args: &[&str], signal: &str) -> Output {
    let before = names(home);
    let mut child: Child = command(home, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while names(home) == before {
        assert!(child.try_wait().unwrap().is_none(), "ended before it began");
        assert!(started.elapsed() < Duration::from_secs(60), "never began");
        std::thread::sleep(Duration::from_millis(1));
    }
    shell(home, &format!("kill -{signal} {}", child.id())).succeeded();
    child.wait_with_output().unwrap()
}

#[test]
fn an_interrupted_command_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    large_file(home);
    let encode = [
        "encode",
        "large.safetensors",
        "-o",
        "large.wcodec",
        "--threads",
        "1",
        "--effort",
        "max",
    ];
    for signal in ["INT", "TERM"] {
        let output = signal_at_work(home, &encode, signal);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert_eq!(output.stderr, b"wcodec: interrupted\n");
        assert!(output.stdout.is_empty());
        assert_eq!(names(home), ["large.safetensors"]);
    }

    // What stood there before stands there still.
    fs::write(home.join("large.wcodec"), b"old").unwrap();
    let output = signal_at_work(home, &[&encode[..], &["--force"]].concat(), "INT");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(fs::read(home.join("large.wcodec")).unwrap(), b"old");
    assert_eq!(names(home), ["large.safetensors", "large.wcodec"]);
    fs::remove_file(home.join("large.wcodec")).unwrap();

    // Killed, it can clean up nothing; but the target's name was not taken yet.
    let output = signal_at_work(home, &encode, "KILL");
    assert_eq!(output.status.code(), None);
    let left = names(home);
    assert!(
        left.iter()
            .all(|name| name == "large.safetensors" || name.starts_with(".wcodec-")),
        "{left:?}"
    );
}

#[test]
fn an_interrupted_decoder_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    large_file(home);
    let encode = command(home, &["encode", "large.safetensors", "--effort", "fast"])
        .output()
        .unwrap();
    assert!(encode.status.success(), "{encode:?}");
    for target in ["restored", "one.safetensors"] {
        let output = signal_at_work(
            home,
            &["decode", "large.wcodec", "-o", target, "--threads", "1"],
            "INT",
        );
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert_eq!(names(home), ["large.safetensors", "large.wcodec"]);
    }
}
