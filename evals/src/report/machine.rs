//! What a result has to say of the machine that it comes from.

use serde::{Deserialize, Serialize};
use std::process::Command;

/// CPU features that the codec could use.
const FEATURES: [&str; 8] = [
    "avx2",
    "bmi2",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512vbmi",
    "asimd",
    "sve",
];

/// A machine, and when it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) features: Vec<String>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) os: String,
    pub(crate) date: String,
    /// Processes that wanted a core in the minute before it was asked: before the command measured anything.
    pub(crate) load_average: Option<f64>,
}

impl Machine {
    /// This machine, called `name`, or after its CPU.
    pub(crate) fn read(name: Option<&str>) -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = field(&info, "model name").unwrap_or(std::env::consts::ARCH);
        let place = field(&info, "cpu family").zip(field(&info, "model"));
        let place = place.map_or(String::new(), |(family, model)| {
            format!(" (family {family}, model {model})")
        });
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let flags = field(&info, "flags")
            .or_else(|| field(&info, "Features"))
            .unwrap_or_default();
        let has = |feature: &&str| flags.split_whitespace().any(|flag| flag == *feature);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kibibytes = field(&memory, "MemTotal")
            .and_then(|total| total.trim_end_matches("kB").trim().parse::<u64>().ok());
        let features = FEATURES.iter().filter(|feature| has(feature));
        let unknown = || "unknown".to_owned();
        Self {
            name: name.map_or_else(|| format!("{model}, {cores} cores"), str::to_owned),
            cpu: format!("{model}{place}"),
            cores,
            features: features.map(|feature| (*feature).to_owned()).collect(),
            memory_bytes: kibibytes.map(|kibibytes| kibibytes * 1024),
            os: output("uname", &["-srm"]).unwrap_or_else(|| std::env::consts::OS.to_owned()),
            date: output("date", &["-u", "+%Y-%m-%dT%H:%MZ"]).unwrap_or_else(unknown),
            load_average: std::fs::read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| text.split(' ').next()?.parse().ok()),
        }
    }

    /// Its name as that of a folder.
    pub(crate) fn slug(&self) -> String {
        let words = self
            .name
            .split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("-").to_lowercase()
    }

    /// One line for pages: what it is.
    pub(crate) fn line(&self) -> String {
        let memory = self.memory_bytes.map_or_else(String::new, |bytes| {
            format!(", {} of memory", crate::memory::length(bytes))
        });
        format!(
            "{}, {} cores ({}){memory}, {}",
            self.cpu,
            self.cores,
            self.features.join(", "),
            self.os
        )
    }

    /// The day it was asked.
    pub(crate) fn day(&self) -> &str {
        self.date.split('T').next().unwrap_or_default()
    }
}

/// The value of the first line `key : value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .find(|(found, _)| found.trim() == key)
        .map(|(_, value)| value.trim())
}

/// What a program prints, if it is there and succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_name_for_its_folder() {
        let machine = Machine::read(Some("Zen 3, 2 cores"));
        assert_eq!(machine.slug(), "zen-3-2-cores");
        assert!(machine.cores > 0 && machine.line().contains(&machine.cpu));
        assert_eq!(field("a : 1\nb: x y\n", "b"), Some("x y"));
    }
}
