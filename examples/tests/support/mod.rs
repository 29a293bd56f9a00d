//! Running the built example, and a model small enough to write by hand.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is a failed test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What one run of the example left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Asserts success and returns stdout.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        &self.stdout
    }

    /// The numbers that `--print-tokens` wrote.
    #[track_caller]
    pub(crate) fn tokens(&self) -> Vec<u32> {
        let line = self
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("tokens: "))
            .expect("--print-tokens was given");
        let numbers = line
            .trim_start_matches('[')
            .trim_end_matches(']')
            .split(", ");
        numbers.map(|number| number.parse().unwrap()).collect()
    }

    /// Asserts that the run ended with `code` after one line on stderr that holds every one of `parts`.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        let errors: Vec<_> = self
            .stderr
            .lines()
            .filter(|line| !line.ends_with(" on the CPU"))
            .collect();
        assert!(
            matches!(errors.as_slice(), [line] if line.starts_with("error: ")),
            "{}",
            self.stderr
        );
        for part in parts {
            assert!(
                errors[0].contains(part),
                "`{part}` is not in: {}",
                errors[0]
            );
        }
    }
}

/// An example as cargo built it beside this test.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: `cargo test -p wcodec-examples` builds it",
        program.display()
    );
    let mut command = Command::new(program);
    // An error is one line even for those who have backtraces on.
    command.env("RUST_BACKTRACE", "1");
    command
}

/// The example `llama`, on the CPU.
pub(crate) fn llama() -> Command {
    let mut command = example("llama");
    command.arg("--cpu");
    command
}

pub(crate) fn run<'a>(options: impl IntoIterator<Item = &'a str>) -> Run {
    let Output {
        status,
        stdout,
        stderr,
    } = llama().args(options).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// The folder of a trained model, in `WCODEC_MODELS` or its default place; `None`, with a line that says so,
/// where there is no such folder.
pub(crate) fn trained_model(name: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let folder = std::env::var_os("WCODEC_MODELS")
        .map_or_else(default, PathBuf::from)
        .join(name);
    if folder.exists() {
        return Some(folder);
    }
    eprintln!("skipped: no {} (WCODEC_MODELS)", folder.display());
    None
}

/// A Llama of one layer with 5 words, in a folder of its own.
#[derive(Debug)]
pub(crate) struct TinyModel {
    folder: tempfile::TempDir,
}

pub(crate) const TINY_TENSORS: [(&str, &[usize]); 11] = [
    ("model.embed_tokens.weight", &[5, 8]),
    ("model.norm.weight", &[8]),
    ("model.layers.0.self_attn.q_proj.weight", &[8, 8]),
    ("model.layers.0.self_attn.k_proj.weight", &[4, 8]),
    ("model.layers.0.self_attn.v_proj.weight", &[4, 8]),
    ("model.layers.0.self_attn.o_proj.weight", &[8, 8]),
    ("model.layers.0.mlp.gate_proj.weight", &[12, 8]),
    ("model.layers.0.mlp.up_proj.weight", &[12, 8]),
    ("model.layers.0.mlp.down_proj.weight", &[8, 12]),
    ("model.layers.0.input_layernorm.weight", &[8]),
    ("model.layers.0.post_attention_layernorm.weight", &[8]),
];

pub(crate) const TINY_CONFIG: &str = r#"{"model_type": "llama", "hidden_size": 8, "intermediate_size": 12, "vocab_size": 5,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 16, "tie_word_embeddings": true}"#;

pub(crate) const TINY_TOKENIZER: &str = r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "unk_token": "one", "vocab": {"one": 0, "two": 1, "three": 2, "four": 3, "five": 4}}}"#;

impl TinyModel {
    /// A complete model.
    pub(crate) fn new() -> Self {
        let model = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        model.write("model.safetensors", &safetensors("F32", &TINY_TENSORS));
        model.write("config.json", TINY_CONFIG.as_bytes());
        model.write("tokenizer.json", TINY_TOKENIZER.as_bytes());
        model
    }

    /// The same without a file.
    pub(crate) fn without(file: &str) -> Self {
        let model = Self::new();
        fs::remove_file(model.folder.path().join(file)).unwrap();
        model
    }

    /// The same with another file.
    pub(crate) fn with(file: &str, bytes: impl AsRef<[u8]>) -> Self {
        let model = Self::new();
        model.write(file, bytes.as_ref());
        model
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(file), bytes).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.folder.path().join(file).to_str().unwrap().to_owned()
    }

    /// Runs the example on the folder, greedily, with more options.
    pub(crate) fn run(&self, options: &[&str]) -> Run {
        self.run_file("", options)
    }

    /// Runs the example on one file of the folder.
    pub(crate) fn run_file(&self, file: &str, options: &[&str]) -> Run {
        let path = self.path(file);
        let fixed = [
            "--weights",
            &path,
            "--temperature",
            "0",
            "--print-tokens",
            "--prompt",
            "one two",
        ];
        // clap takes an option once: a later --prompt stands in place of the one above.
        let fixed = &fixed[..if options.contains(&"--prompt") { 5 } else { 7 }];
        run(fixed.iter().chain(options).copied())
    }
}

/// A safetensors file whose elements, F32 or BF16, are small and all different in effect.
pub(crate) fn safetensors(dtype: &str, tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let elem_bytes = if dtype == "F32" { 4 } else { 2 };
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for (index, (name, shape)) in tensors.iter().enumerate() {
        let start = data.len();
        for elem in 0..shape.iter().product::<usize>() {
            // Seeded by the name's length, so that a tensor has the same elements in whatever file it is.
            let value = ((elem * 37 + name.len() * 11) % 64) as f32 / 32.0 - 0.9;
            data.extend_from_slice(&value.to_le_bytes()[4 - elem_bytes..]);
        }
        let comma = if index == 0 { "" } else { "," };
        header.push(format!(
            r#"{comma}"{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{}]}}"#,
            data.len()
        ));
    }
    let header = format!("{{{}}}", header.concat());
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    file
}
