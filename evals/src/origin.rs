//! Where a result comes from: machine, program, command, inputs.

use crate::memory::hex;
use crate::report::Machine;
use crate::table::{Align, Grid};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The program, as it was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) version: String,
    /// `-dirty`: built of files that differ from the commit or are not in it.
    pub(crate) commit: String,
    pub(crate) compiler: String,
    pub(crate) profile: String,
    pub(crate) target: String,
    /// CPU features that the compiler could count on.
    pub(crate) target_features: String,
    pub(crate) features: String,
}

/// Machine, program, command line and inputs of a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) machine: Machine,
    pub(crate) program: Program,
    /// The command line; of paths, the names alone.
    pub(crate) command: String,
    /// SHA-256 of each file that was read; what was drawn follows from the program.
    pub(crate) inputs_sha256: BTreeMap<String, String>,
}

/// A result, and where it comes from: what every JSON file and every `--json` is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured<T> {
    pub(crate) origin: Origin,
    pub(crate) results: T,
}

impl Program {
    /// This one.
    pub(crate) fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("WCODEC_BUILD_COMMIT").to_owned(),
            compiler: env!("WCODEC_BUILD_COMPILER").to_owned(),
            profile: env!("WCODEC_BUILD_PROFILE").to_owned(),
            target: env!("WCODEC_BUILD_TARGET").to_owned(),
            target_features: env!("WCODEC_BUILD_CPU").to_owned(),
            features: env!("WCODEC_BUILD_FEATURES").to_owned(),
        }
    }
}

impl Origin {
    /// Of what this process measures from these files and folders, on a machine called `name`, as it is before the
    /// files are read. Names of files count from the first of `roots` that holds them, or are those of the file alone.
    ///
    /// # Errors
    ///
    /// If an input cannot be read.
    pub(crate) fn read(
        name: Option<&str>,
        inputs: &[PathBuf],
        roots: &[&Path],
    ) -> anyhow::Result<Self> {
        Self::on(Machine::read(name), inputs, roots)
    }

    /// As [`read`](Self::read), on a machine that was asked before.
    pub(crate) fn on(
        machine: Machine,
        inputs: &[PathBuf],
        roots: &[&Path],
    ) -> anyhow::Result<Self> {
        let mut inputs_sha256 = BTreeMap::new();
        for input in inputs {
            for path in files(input)? {
                let root = roots.iter().find_map(|root| path.strip_prefix(root).ok());
                let below = root.or_else(|| path.strip_prefix(input.parent()?).ok());
                let below = below.unwrap_or(&path).display().to_string();
                let digest = sha256(&path)?;
                let mut name = below.clone();
                for number in 2.. {
                    match inputs_sha256.get(&name) {
                        Some(other) if *other != digest => name = format!("{below} ({number})"),
                        _ => break,
                    }
                }
                inputs_sha256.insert(name, digest);
            }
        }
        Ok(Self {
            machine,
            program: Program::this(),
            command: command_line(
                std::env::args_os().map(|word| word.to_string_lossy().into_owned()),
            ),
            inputs_sha256,
        })
    }

    /// A page's last words.
    pub(crate) fn markdown(&self) -> String {
        let Program {
            version,
            commit,
            compiler,
            profile,
            ..
        } = &self.program;
        let mut grid = Grid::new(&[("input", Align::Left), ("SHA-256", Align::Left)]);
        for (name, digest) in &self.inputs_sha256 {
            grid.row([name.clone(), digest.clone()]);
        }
        let inputs = match self.inputs_sha256.is_empty() {
            true => String::new(),
            false => format!("\n{}", grid.markdown()),
        };
        format!(
            "Made on {} by `{}`: version {version}, commit {commit}, {compiler}, {profile}; on {}.\n{inputs}",
            self.machine.day(),
            self.command,
            self.machine.line()
        )
    }
}

/// A file, or the files of a model's folder.
fn files(input: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !input.is_dir() {
        return Ok(vec![input.to_path_buf()]);
    }
    let place = || format!("reading {}", input.display());
    let mut files = Vec::new();
    for entry in input.read_dir().with_context(place)? {
        let path = entry.with_context(place)?.path();
        let end = path.extension().and_then(|end| end.to_str());
        if path.is_file() && matches!(end, Some("safetensors" | "json")) {
            files.push(path);
        }
    }
    Ok(files)
}

/// SHA-256 of a file.
fn sha256(path: &Path) -> anyhow::Result<String> {
    let place = || format!("reading {}", path.display());
    let mut hasher = Sha256::new();
    let mut file = File::open(path).with_context(place)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut buffer).with_context(place)?;
        if len == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..len]);
    }
}

/// A command line with the names of paths instead of the paths, quoted where it has to be.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let name = |value: &str| {
        let name = Path::new(value).file_name().and_then(|name| name.to_str());
        name.filter(|_| value.contains(std::path::MAIN_SEPARATOR))
            .unwrap_or(value)
            .to_owned()
    };
    let words = arguments.map(|argument| {
        let word = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => {
                format!("{option}={}", name(value))
            }
            _ => name(&argument),
        };
        match word.contains([' ', '(', '<', '|', '\'']) {
            true => format!("'{}'", word.replace('\'', "'\\''")),
            false => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_have_no_paths() {
        let words = [
            "/somewhere/bin/evals",
            "report",
            "--models=../a/models",
            "--work-dir",
            "/disk/work/",
            "--machine",
            "Zen 3, 2 cores",
            "-j=1",
        ];
        assert_eq!(
            command_line(words.map(str::to_owned).into_iter()),
            "evals report --models=models --work-dir work --machine 'Zen 3, 2 cores' -j=1"
        );
    }

    #[test]
    fn every_input_is_digested_under_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for model in ["a", "b"] {
            let path = folder.path().join(model);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("model.safetensors"), model).unwrap();
            std::fs::write(path.join("config.json"), "{}").unwrap();
            std::fs::write(path.join("picture.png"), "").unwrap();
        }
        let of = |inputs: &[PathBuf], roots: &[&Path]| {
            let origin = Origin::read(None, inputs, roots).unwrap();
            origin.inputs_sha256.into_iter().collect::<Vec<_>>()
        };
        let models = ["a", "b"].map(|model| folder.path().join(model));
        let digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"; // of "a"
        let found = of(&models, &[folder.path()]);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let both = [
            "a/config.json",
            "a/model.safetensors",
            "b/config.json",
            "b/model.safetensors",
        ];
        assert_eq!(names, both);
        assert_eq!(found[1].1, digest);
        let single = models.map(|model| model.join("model.safetensors"));
        let found = of(&single, &[]);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["model.safetensors", "model.safetensors (2)"]);
        let error = Origin::read(None, &[folder.path().join("none")], &[]).unwrap_err();
        assert!(format!("{error:#}").contains("none"), "{error:#}");
    }

    #[test]
    fn pages_name_program_and_inputs() {
        let mut origin = Origin::read(Some("here"), &[], &[]).unwrap();
        origin.inputs_sha256.insert("m".into(), "abc".into());
        let page = origin.markdown();
        assert!(page.contains(env!("WCODEC_BUILD_COMMIT")) && page.contains("| m     | abc     |"));
        assert!(origin.program.compiler.starts_with("rustc "), "{origin:?}");
    }
}
