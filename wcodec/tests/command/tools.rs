//! `encode --coder`, `--only`, `--explain`, and `inspect --planes`.

use crate::support::{safetensors, wcodec, weights};
use std::fs;
use std::path::Path;

/// Weights and position ids.
fn checkpoint(home: &Path) {
    let (_, block) = weights(256, 256, 3);
    let ids: Vec<u8> = (0..4096i64).flat_map(i64::to_le_bytes).collect();
    let tensors = [
        ("weight", "BF16", vec![256, 256], block),
        ("ids", "I64", vec![1, 4096], ids),
    ];
    fs::write(home.join("m.safetensors"), safetensors(&tensors)).unwrap();
}

#[test]
fn packed_codes_and_single_tools_are_asked_for_by_name() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    checkpoint(home);
    for (args, tools) in [
        (["--coder", "auto"], "rans 7 + 8 stored"),
        (["--coder", "packed"], "packed + 8 stored"),
        (["--only", "stored"], "stored"),
        (["--only", "tiles"], "tools"),
    ] {
        let encode = ["encode", "m.safetensors", "--force"];
        wcodec(home, &[encode.as_slice(), &args].concat()).succeeded();
        wcodec(home, &["verify", "m.wcodec", "--against", "m.safetensors"]).succeeded();
        let file = wcodec(home, &["inspect", "m.wcodec", "--json"])
            .succeeded()
            .json();
        let tensors = file["tensors"].as_array().unwrap();
        let weight = tensors
            .iter()
            .find(|tensor| tensor["name"] == "weight")
            .unwrap();
        assert!(
            weight["tools"].as_str().unwrap().starts_with(tools),
            "{args:?}: {weight}"
        );
    }
    let refused = |args: &[&str]| {
        let run = wcodec(
            home,
            &[&["encode", "m.safetensors", "--force"], args].concat(),
        );
        assert_eq!(run.code, Some(2), "{run:?}");
    };
    refused(&["--only", "magic"]);
    refused(&["--only", "tiles", "--coder", "packed"]);
}

#[test]
fn an_explanation_names_the_winner_of_each_tensor() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    checkpoint(home);
    let encode = ["encode", "m.safetensors", "--explain", "why.json"];
    wcodec(home, &encode).succeeded();
    let text = fs::read_to_string(home.join("why.json")).unwrap();
    let why: serde_json::Value = serde_json::from_str(&text).unwrap();
    let taken = |tensor: &str| {
        let part = why["parts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|part| part["tensor"] == tensor);
        let considered = part.unwrap()["considered"].as_array().unwrap();
        let mut taken = considered.iter().filter(|way| way["verdict"] == "taken");
        let winner = taken.next().unwrap();
        assert!(taken.next().is_none());
        let cost = |way: &serde_json::Value| way["measured_bits"].as_u64();
        assert!(
            considered.len() >= 3
                && considered.iter().all(|way| {
                    way["verdict"] != "costs more" || cost(way).unwrap() >= cost(winner).unwrap()
                })
        );
        winner["tool"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (taken("weight").as_str(), taken("ids").as_str()),
        ("split", "left")
    );
    // What stands there already is not replaced unasked, and nothing is encoded then.
    fs::remove_file(home.join("m.wcodec")).unwrap();
    wcodec(home, &encode).failed(2, &["why.json"]);
    assert!(!home.join("m.wcodec").exists());
    wcodec(home, &["encode", "m.safetensors", "--explain", "m.wcodec"])
        .failed(2, &["another file"]);
    wcodec(
        home,
        &["encode", "m.safetensors", "--explain", "none/why.json"],
    )
    .failed(3, &["none"]);
    // Not even with --force: it could be the checkpoint.
    let source = fs::read(home.join("m.safetensors")).unwrap();
    let onto = [
        "encode",
        "m.safetensors",
        "--force",
        "--explain",
        "m.safetensors",
    ];
    wcodec(home, &onto).failed(2, &["replaces nothing"]);
    assert!(fs::read(home.join("m.safetensors")).unwrap() == source);
    // A failed encoder leaves no explanation.
    wcodec(
        home,
        &["encode", "none", "-o", "n.wcodec", "--explain", "new.json"],
    )
    .failed(3, &["none"]);
    assert!(!home.join("new.json").exists());
}

#[test]
fn planes_say_what_reading_less_costs() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    checkpoint(home);
    wcodec(home, &["encode", "m.safetensors"]).succeeded();
    let planes = wcodec(home, &["inspect", "m.wcodec", "--planes", "--json"])
        .succeeded()
        .json();
    let stops = planes["stops"].as_array().unwrap();
    assert_eq!(stops.len(), 2);
    assert_eq!(
        (&stops[0]["relative_error"], &stops[1]["relative_error"]),
        (&0.0.into(), &2.0.into())
    );
    assert_eq!(
        stops[0]["bytes"].as_u64().unwrap() - stops[1]["bytes"].as_u64().unwrap(),
        256 * 256
    );
    let text = wcodec(home, &["inspect", "m.wcodec", "--planes"])
        .succeeded()
        .stdout;
    assert!(
        text.starts_with("dtype  planes") && text.contains("exact") && text.contains("no sign"),
        "{text}"
    );
}
