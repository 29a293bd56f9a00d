//! What a result has to say of the machine it comes from.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// CPU features that a codec could use.
const FEATURES: [&str; 14] = [
    "avx2",
    "bmi2",
    "f16c",
    "fma",
    "popcnt",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512vbmi",
    "avx512_vbmi2",
    "gfni",
    "vaes",
    "asimd",
    "sve",
];

/// A machine, its software, and when it was asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    features: Vec<String>,
    memory_bytes: Option<u64>,
    os: String,
    rustc: String,
    commit: String,
    pub(crate) date: String,
}

impl Machine {
    /// This machine, called `name`, or after its CPU.
    pub(crate) fn read(name: Option<String>) -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let family = field(&info, "cpu family")
            .zip(field(&info, "model"))
            .map_or(String::new(), |(family, model)| {
                format!(" (family {family}, model {model})")
            });
        let cpu = field(&info, "model name").map_or_else(
            || std::env::consts::ARCH.to_owned(),
            |cpu| format!("{cpu}{family}"),
        );
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let flags = field(&info, "flags")
            .or_else(|| field(&info, "Features"))
            .unwrap_or_default();
        let has = |feature: &&str| flags.split_whitespace().any(|flag| flag == *feature);
        let short = field(&info, "model name").unwrap_or(std::env::consts::ARCH);
        let memory = std::fs::read_to_string("/proc/meminfo").ok();
        let kibibytes = memory.and_then(|text| {
            field(&text, "MemTotal")?
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
        let dirty = output(
            "git",
            &[
                "status",
                "--porcelain",
                "--untracked-files=no",
                "--",
                ":/*.rs",
                ":/*.toml",
                ":/Cargo.lock",
            ],
        )
        .is_some_and(|text| !text.is_empty());
        let commit = output("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown);
        Self {
            name: name.unwrap_or_else(|| format!("{short}, {cores} cores")),
            cpu,
            cores,
            features: FEATURES
                .iter()
                .filter(|feature| has(feature))
                .map(|feature| (*feature).to_owned())
                .collect(),
            memory_bytes: kibibytes.map(|kibibytes| kibibytes * 1024),
            os: output("uname", &["-srm"]).unwrap_or_else(|| std::env::consts::OS.to_owned()),
            rustc: output("rustc", &["--version"]).unwrap_or_else(unknown),
            commit: if dirty {
                format!("{commit}, changed")
            } else {
                commit
            },
            date: output("date", &["-u", "+%Y-%m-%dT%H:%MZ"]).unwrap_or_else(unknown),
        }
    }

    /// What a run before wrote.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        Ok(serde_json::from_reader(std::fs::File::open(path)?)?)
    }

    /// Its name as that of a folder.
    pub(crate) fn slug(&self) -> String {
        let words = self
            .name
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-").to_lowercase()
    }

    /// One line for tables and plots.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}, commit {}, {}, {}",
            self.name, self.commit, self.rustc, self.date
        )
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The value of the first line `key : value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.trim() == key)
        .map(|(_, value)| value.trim())
}

/// What a program prints, if it is there and succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
