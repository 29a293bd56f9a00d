//! Each bad input gets one line that names the file, the tensor and the rule, and leaves nothing behind.

use crate::support::{
    Run, encoded, names, noise, safetensors, sharded, shell, single, small_model, wcodec,
    with_header,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Encodes `source` with no target there before or after.
fn encode(home: &Path, source: &str) -> Run {
    let before = names(home);
    let run = wcodec(home, &["encode", source, "-o", "out.wcodec"]);
    assert_eq!(names(home), before, "something was left behind");
    run
}

/// Encodes a file of these bytes.
fn encode_bytes(bytes: &[u8]) -> Run {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("bad.safetensors"), bytes).unwrap();
    encode(home.path(), "bad.safetensors")
}

/// Encodes two tensors of 8 bytes with these entries in the header.
fn encode_header(a: &str, b: &str) -> Run {
    encode_bytes(&with_header(
        &format!(r#"{{"first.weight":{a},"second.weight":{b}}}"#),
        &noise(16, 1),
    ))
}

const WHOLE: [&str; 2] = [
    r#"{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}"#,
    r#"{"dtype":"F16","shape":[4],"data_offsets":[8,16]}"#,
];

#[test]
fn paths_that_cannot_be_read() {
    let home = encoded();
    for command in ["encode", "decode", "verify", "inspect"] {
        wcodec(home.path(), &[command, "nope"]).failed(3, &["nope: ", "check the path"]);
    }
    encode(home.path(), "model.wcodec/x").failed(3, &["model.wcodec/x"]);
    for command in ["decode", "verify", "inspect"] {
        wcodec(home.path(), &[command, "single"]).failed(3, &["single: ", "directory"]);
    }
    let against = wcodec(
        home.path(),
        &["verify", "model.wcodec", "--against", "nope"],
    );
    against.failed(3, &["nope: "]);

    let locked = home.path().join("locked.safetensors");
    fs::write(&locked, safetensors(&small_model())).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&locked).is_ok() {
        println!("skipped: this user may read files of mode 0");
        return;
    }
    encode(home.path(), "locked.safetensors").failed(3, &["locked.safetensors: ", "permissions"]);
}

#[test]
fn folders_without_a_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("empty")).unwrap();
    encode(home.path(), "empty").failed(1, &["empty: ", "no .safetensors file"]);
    for name in ["a.safetensors", "b.safetensors"] {
        fs::write(
            home.path().join("empty").join(name),
            safetensors(&small_model()),
        )
        .unwrap();
    }
    encode(home.path(), "empty")
        .failed(1, &["empty: ", "2 .safetensors files", "name one of them"]);
}

#[test]
fn sharded_checkpoints_that_are_not_whole() {
    let home = tempfile::tempdir().unwrap();
    let folder = sharded(home.path());
    let (shard, index) = (
        "model-00002-of-00002.safetensors",
        folder.join("model.safetensors.index.json"),
    );
    fs::copy(
        folder.join("model-00001-of-00002.safetensors"),
        folder.join(shard),
    )
    .unwrap();
    encode(home.path(), "sharded")
        .failed(1, &[shard, "model.embed_tokens.weight", "another shard"]);
    fs::remove_file(folder.join(shard)).unwrap();
    encode(home.path(), "sharded")
        .failed(1, &["model.safetensors.index.json", shard, "is missing"]);
    for (text, rule) in [
        ("{", "bad shard index"),
        (r#"{"weight_map": {}}"#, "names no file"),
        (
            r#"{"weight_map": {"w": "../x.safetensors"}}"#,
            "not a plain file name",
        ),
        (
            r#"{"weight_map": {"ghost": "model-00001-of-00002.safetensors"}}"#,
            "tensor `ghost`: not a valid safetensors checkpoint: the tensor is not in the shard",
        ),
    ] {
        fs::write(&index, text).unwrap();
        encode(home.path(), "sharded").failed(1, &["model.safetensors.index.json", rule]);
    }
}

#[test]
fn safetensors_headers() {
    let [a, b] = WHOLE;
    let file = "bad.safetensors";
    encode_bytes(&[]).failed(1, &[file, "too short"]);
    encode_bytes(&100_000_001u64.to_le_bytes())
        .failed(1, &[file, "100000001 bytes", "at most 100000000"]);
    encode_bytes(&u64::MAX.to_le_bytes()).failed(1, &[file, "at most 100000000"]);
    encode_bytes(&[9, 0, 0, 0, 0, 0, 0, 0, b'{'])
        .failed(1, &[file, "ends within its header of 9 bytes"]);
    encode_bytes(&[2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe]).failed(1, &[file, "not UTF-8"]);
    encode_bytes(&with_header("{\"w\":", &[])).failed(1, &[file, "bad header"]);
    encode_header(a, r#"{"dtype":"F16"}"#).failed(1, &[file, "`second.weight`", "bad header"]);
    encode_header(a, &b.replace("F16", "F17")).failed(1, &[file, "`second.weight`", "F17"]);
    encode_header(a, &b.replace("[4]", "[5]")).failed(1, &[file, "`second.weight`", "bad header"]);
    encode_header(a, &b.replace("[4]", "[18446744073709551615,2]"))
        .failed(1, &[file, "`second.weight`"]);
    encode_header(a, &b.replace("8,16", "8,-16")).failed(1, &[file, "`second.weight`"]);
}

#[test]
fn safetensors_data_with_holes_overlaps_and_the_wrong_length() {
    let [a, b] = WHOLE;
    let file = "bad.safetensors";
    let hole = r#"{"dtype":"F16","shape":[3],"data_offsets":[10,16]}"#;
    encode_header(a, hole).failed(1, &[file, "`second.weight`", "bad header: invalid offset"]);
    let overlap = r#"{"dtype":"F16","shape":[5],"data_offsets":[6,16]}"#;
    encode_header(a, overlap).failed(1, &[file, "`second.weight`", "bad header: invalid offset"]);
    let good = with_header(
        &format!(r#"{{"first.weight":{a},"second.weight":{b}}}"#),
        &noise(16, 1),
    );
    encode_bytes(&good[..good.len() - 1]).failed(1, &[file, "16 bytes of data", "holds 15"]);
    encode_bytes(&[&good[..], &[0]].concat()).failed(1, &[file, "16 bytes of data", "holds 17"]);
}

/// `decode`, `verify` and `inspect` of a changed `model.wcodec` fail alike; `decode` leaves nothing.
fn assert_refused(home: &Path, change: impl Fn(&mut Vec<u8>), parts: &[&str]) {
    let good = fs::read(home.join("model.wcodec")).unwrap();
    let mut bytes = good.clone();
    change(&mut bytes);
    fs::write(home.join("model.wcodec"), bytes).unwrap();
    let before = names(home);
    let file = &["model.wcodec"];
    wcodec(home, &["decode", "model.wcodec", "-o", "restored"]).failed(1, &[file, parts].concat());
    wcodec(home, &["verify", "model.wcodec"]).failed(1, &[file, parts].concat());
    wcodec(home, &["inspect", "model.wcodec"]).failed(1, &[file, parts].concat());
    assert_eq!(names(home), before, "something was left behind");
    fs::write(home.join("model.wcodec"), good).unwrap();
}

#[test]
fn wcodec_files_that_are_not_whole_or_not_ours() {
    let home = encoded();
    let home = home.path();
    assert_refused(home, |bytes| bytes.clear(), &["truncated"]);
    assert_refused(
        home,
        |bytes| bytes.truncate(100),
        &["truncated: header", "fetch the file again"],
    );
    assert_refused(
        home,
        |bytes| bytes.truncate(bytes.len() - 1),
        &["truncated", "fetch the file again"],
    );
    assert_refused(home, |bytes| bytes.push(0), &["rule 2.2"]);
    assert_refused(
        home,
        |bytes| bytes[0] = b'P',
        &["not a wcodec file", "wcodec encode"],
    );
    assert_refused(home, |bytes| bytes[30] ^= 1, &["header is damaged"]);
    assert_refused(
        home,
        |bytes| *bytes.iter_mut().nth_back(20).unwrap() ^= 1,
        &["index is damaged"],
    );
    let newer = |bytes: &mut Vec<u8>| {
        bytes[8..10].copy_from_slice(&3u16.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..124]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
    };
    assert_refused(
        home,
        newer,
        &["version 3 is newer than 2", "upgrade wcodec"],
    );
}

#[test]
fn a_damaged_payload_names_its_tensor_and_chunk() {
    let home = encoded();
    let home = home.path();
    let name = "model.layers.0.mlp.up_proj.weight";
    let tensor = wcodec(
        home,
        &["inspect", "model.wcodec", "--tensor", name, "--json"],
    )
    .succeeded()
    .json();
    let offset = tensor["tensor"]["parts"][0]["payload_offset"]
        .as_u64()
        .unwrap();
    let damaged = usize::try_from(offset).unwrap() + 1000;
    let file = home.join("model.wcodec");
    let mut bytes = fs::read(&file).unwrap();
    bytes[damaged] ^= 0x10;
    fs::write(&file, bytes).unwrap();
    wcodec(home, &["inspect", "model.wcodec"]).succeeded(); // looks at no payload
    let parts = [
        "model.wcodec",
        "tensor `model.layers.0.mlp.up_proj.weight`, chunk 0: ",
        "damaged",
    ];
    wcodec(home, &["verify", "model.wcodec"]).failed(1, &parts);
    let before = names(home);
    wcodec(home, &["decode", "model.wcodec", "-o", "restored"]).failed(1, &parts);
    wcodec(home, &["decode", "model.wcodec", "-o", "one.safetensors"]).failed(1, &parts);
    assert_eq!(names(home), before);
}

#[test]
fn a_checkpoint_that_differs_is_told_apart() {
    let home = encoded();
    let verify = || {
        wcodec(
            home.path(),
            &["verify", "model.wcodec", "--against", "single"],
        )
    };
    let weights = home.path().join("single/model.safetensors");
    let good = fs::read(&weights).unwrap();
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, &bytes).unwrap();
    verify().failed(
        1,
        &[
            "model.wcodec, tensor `lm_head.weight`: differs",
            "byte 49151",
        ],
    );
    let at = good.iter().position(|&byte| byte == b'p').unwrap();
    bytes[at] = b'P';
    fs::write(&weights, &bytes).unwrap();
    wcodec(
        home.path(),
        &["verify", "model.wcodec", "--against", "single"],
    )
    .failed(1, &["single"]);
    fs::write(&weights, &good).unwrap();
    fs::write(home.path().join("single/config.json"), b"{}").unwrap();
    verify().failed(1, &["single: differs", "config.json"]);
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    single(home.path());
    // A limit on the length of files stands in for a full disk: the write fails half way.
    let limited = |command: &str| {
        shell(
            home.path(),
            &format!("trap '' XFSZ; ulimit -f 64; exec \"$wcodec\" {command}"),
        )
    };
    limited("encode single -o model.wcodec").failed(3, &["model.wcodec: ", "name another target"]);
    assert_eq!(names(home.path()), ["single"]);
    wcodec(home.path(), &["encode", "single", "-o", "model.wcodec"]).succeeded();
    limited("decode model.wcodec -o restored")
        .failed(3, &["restored/model.safetensors: ", "name another target"]);
    limited("decode model.wcodec -o one.safetensors").failed(3, &["one.safetensors: "]);
    assert_eq!(names(home.path()), ["model.wcodec", "single"]);
    if Path::new("/dev/full").exists() {
        let full = shell(home.path(), "\"$wcodec\" inspect model.wcodec > /dev/full");
        full.failed(3, &["standard output: "]);
    }
}
