//! Generated checkpoints, and the command run on them.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a run of the command said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The run succeeded and said nothing on the standard error stream.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// The run failed with one line that holds every one of `parts`, and printed no result.
    pub(crate) fn failed(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{self:?}"
        );
        assert!(
            self.stderr.starts_with("wcodec: ") && self.stderr.lines().count() == 1,
            "{self:?}"
        );
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "`{part}` is not in {:?}",
                self.stderr
            );
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// The command, to be run in `folder`.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wcodec"));
    command.current_dir(folder).args(args);
    command
}

/// Runs the command in `folder`.
pub(crate) fn wcodec(folder: &Path, args: &[&str]) -> Run {
    Run::of(command(folder, args).output().unwrap())
}

/// Runs a line of shell in `folder`, where `$wcodec` is the command.
pub(crate) fn shell(folder: &Path, line: &str) -> Run {
    let mut shell = Command::new("sh");
    shell
        .current_dir(folder)
        .args(["-c", line])
        .env("wcodec", env!("CARGO_BIN_EXE_wcodec"));
    Run::of(shell.output().unwrap())
}

/// A tensor of a generated checkpoint.
pub(crate) type Tensor = (&'static str, &'static str, Vec<u64>, Vec<u8>);

/// The bytes of a safetensors file with these tensors, one behind the other.
pub(crate) fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(
            (*name).into(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}),
        );
        data.extend(bytes);
    }
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    with_header(&Value::from(header).to_string(), &data)
}

/// A safetensors file with this header, as it is.
pub(crate) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = header.len().next_multiple_of(8);
    let mut bytes = (padded as u64).to_le_bytes().to_vec();
    bytes.extend(format!("{header:padded$}").into_bytes());
    bytes.extend(data);
    bytes
}

/// Noise, the same on every machine.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8))
        .flat_map(|_| next().to_le_bytes())
        .collect();
    bytes.truncate(len);
    bytes
}

/// BF16 weights with a bell-shaped distribution, as those of a model.
pub(crate) fn weights(rows: u64, columns: u64, seed: u64) -> (Vec<u64>, Vec<u8>) {
    let uniform = noise(usize::try_from(rows * columns * 8).unwrap(), seed);
    let value = |bytes: &[u8]| {
        let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
        half::bf16::from_f32((sum - 1020) as f32 / 20_000.0).to_le_bytes()
    };
    (
        vec![rows, columns],
        uniform.chunks_exact(8).flat_map(value).collect(),
    )
}

/// Two matrices, a vector of ones, an integer tensor and an empty one.
pub(crate) fn small_model() -> Vec<Tensor> {
    let (embedding_shape, embedding) = weights(256, 96, 1);
    let (up_shape, up) = weights(200, 384, 2);
    vec![
        (
            "model.embed_tokens.weight",
            "BF16",
            embedding_shape.clone(),
            embedding.clone(),
        ),
        ("model.layers.0.mlp.up_proj.weight", "BF16", up_shape, up),
        (
            "model.norm.weight",
            "F32",
            vec![96],
            1f32.to_le_bytes().repeat(96),
        ),
        ("steps", "I64", vec![], 1234i64.to_le_bytes().to_vec()),
        ("unused", "F16", vec![0, 4], vec![]),
        ("lm_head.weight", "BF16", embedding_shape, embedding),
    ]
}

/// A folder with a checkpoint of one file and attachments.
pub(crate) fn single(parent: &Path) -> PathBuf {
    let folder = parent.join("single");
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("model.safetensors"),
        safetensors(&small_model()),
    )
    .unwrap();
    fs::write(folder.join("config.json"), b"{\"model_type\": \"llama\"}\n").unwrap();
    fs::write(folder.join("tokenizer.json"), noise(300, 3)).unwrap();
    fs::write(folder.join("notes.txt"), b"not carried along by itself\n").unwrap();
    folder
}

/// A folder with a sharded checkpoint.
pub(crate) fn sharded(parent: &Path) -> PathBuf {
    let folder = parent.join("sharded");
    fs::create_dir(&folder).unwrap();
    let names = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    let mut map = Map::new();
    for (name, tensors) in names.into_iter().zip(small_model().chunks(3)) {
        fs::write(folder.join(name), safetensors(tensors)).unwrap();
        map.extend(
            tensors
                .iter()
                .map(|(tensor, ..)| ((*tensor).to_owned(), name.into())),
        );
    }
    let index = json!({"metadata": {"total_size": 1}, "weight_map": map});
    fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    fs::write(folder.join("config.json"), b"{}").unwrap();
    folder
}

/// A folder `single` beside its `model.wcodec`, and the folder both are in.
pub(crate) fn encoded() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    single(home.path());
    wcodec(
        home.path(),
        &["encode", "single", "-o", "model.wcodec", "--quiet"],
    )
    .succeeded();
    home
}

/// The name and SHA-256 of every file in a folder, hidden ones included.
pub(crate) fn digests(folder: &Path) -> BTreeMap<String, String> {
    let digest = |name: String| {
        let digest = Sha256::digest(fs::read(folder.join(&name)).unwrap());
        (
            name,
            digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        )
    };
    names(folder)
        .into_iter()
        .filter(|name| folder.join(name).is_file())
        .map(digest)
        .collect()
}

/// The names of everything in a folder, hidden ones included.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The keys of `object` are those in `expected`, apart by spaces, in any order.
pub(crate) fn assert_keys(object: &Value, expected: &str) {
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let found: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(found, expected);
}
