//! Tells the program what it is built of: commit, compiler, profile, features.

use std::env;
use std::path::Path;
use std::process::Command;

/// What the program is built of, from the root of the workspace.
const SOURCES: [&str; 9] = [
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "evals/Cargo.toml",
    "evals/build.rs",
    "evals/src",
    "kernels",
    "wcodec",
    "wcodec-candle",
];
const UNKNOWN: &str = "unknown";

fn main() {
    let root = Path::new("..");
    for source in SOURCES {
        let path = root.join(source);
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| UNKNOWN.to_owned());
    let compiler = output(&variable("RUSTC"), &["--version"]);
    let features: Vec<String> = env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()))
        .collect();
    let profile = format!(
        "{}, opt-level {}",
        variable("PROFILE"),
        variable("OPT_LEVEL")
    );
    for (name, value) in [
        ("COMMIT", commit(root)),
        ("COMPILER", compiler),
        ("PROFILE", Some(profile)),
        ("TARGET", Some(variable("TARGET"))),
        ("FEATURES", Some(features.join(","))),
        // Tells a build for one kind of machine from one for all.
        ("CPU", env::var("CARGO_CFG_TARGET_FEATURE").ok()),
    ] {
        let value = value.unwrap_or_else(|| UNKNOWN.to_owned());
        println!("cargo:rustc-env=WCODEC_BUILD_{name}={value}");
    }
}

/// The commit by its nearest tag or its number, `-dirty` where a source differs from it or is not in it. `None`
/// outside a
/// repository of its own.
fn commit(root: &Path) -> Option<String> {
    let top = output("git", &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None; // unpacked inside another repository
    }
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}"); // written by every commit and checkout
    }
    let commit = output("git", &["describe", "--always", "--abbrev=12"])?;
    let sources = SOURCES.map(|source| format!(":/{source}"));
    let mut arguments = vec!["status", "--porcelain", "--untracked-files=all", "--"];
    arguments.extend(sources.iter().map(String::as_str));
    arguments.push(":(exclude,top,glob)**/*.md");
    let is_clean = output("git", &arguments)?.is_empty();
    Some(if is_clean {
        commit
    } else {
        format!("{commit}-dirty")
    })
}

/// What a program prints, if it is there and succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
