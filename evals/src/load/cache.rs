//! The page cache: putting files into it, dropping them, and asking how much of them is there.

use anyhow::Context;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pages in the cache below this count as a cold file: the last ones of a device's read-ahead may come back.
const COLD_PERCENT: f64 = 1.0;

/// Reads files through.
///
/// # Errors
///
/// Whatever reading meets.
pub(crate) fn warm(files: &[PathBuf]) -> anyhow::Result<()> {
    for path in files {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        std::io::copy(&mut file, &mut std::io::sink())?;
    }
    Ok(())
}

/// How files were dropped from the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evicted {
    /// By `posix_fadvise`, file by file.
    Advice,
    /// By `/proc/sys/vm/drop_caches`, all of them.
    DropCaches,
    /// They are still there, or nobody can tell.
    Unknown,
}

impl Evicted {
    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Advice => "posix_fadvise",
            Self::DropCaches => "drop_caches",
            Self::Unknown => "not evicted, or not known",
        }
    }
}

/// Drops files from the page cache, by whatever works.
///
/// # Errors
///
/// If a file cannot be opened.
pub(crate) fn evict(files: &[PathBuf]) -> anyhow::Result<Evicted> {
    for path in files {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        file.sync_all()?; // dirty pages stay
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    if is_cold(files) {
        return Ok(Evicted::Advice);
    }
    // Needs root, and drops what others have there too.
    let dropped = std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok();
    Ok(match dropped && is_cold(files) {
        true => Evicted::DropCaches,
        false => Evicted::Unknown,
    })
}

fn is_cold(files: &[PathBuf]) -> bool {
    let mut resident = files.iter().map(|path| resident_percent(path));
    resident.all(|percent| percent.is_some_and(|percent| percent < COLD_PERCENT))
}

/// Per cent of a file in the page cache, by `fincore` of util-linux; `None` where there is none.
fn resident_percent(path: &Path) -> Option<f64> {
    let output = Command::new("fincore")
        .args(["--bytes", "--noheadings", "--raw", "--output", "RES,SIZE"])
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let (resident, size) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((100.0 * resident / size.max(1.0)).min(100.0)) // the last page may be longer than the file
}
