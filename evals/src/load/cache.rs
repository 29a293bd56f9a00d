//! The page cache: putting files into it, dropping them, and asking how much of them is there.

use super::rows::Residency;
use anyhow::Context;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// How files were dropped from the page cache; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    // Needs root, and drops what others have there too.
    evict_or(files, || {
        std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
    })
}

/// Drops files from the page cache by advice, or else by `drop_all`, which says whether it did; not where nobody can
/// tell whether it has to.
fn evict_or(files: &[PathBuf], drop_all: impl FnOnce() -> bool) -> anyhow::Result<Evicted> {
    advise(files)?;
    Ok(match residency(files) {
        None => Evicted::Unknown,
        Some(found) if found.is_cold() => Evicted::Advice,
        Some(_) if drop_all() && residency(files).is_some_and(Residency::is_cold) => {
            Evicted::DropCaches
        }
        Some(_) => Evicted::Unknown,
    })
}

/// Writes files to the disk and says that they are not needed in the page cache.
fn advise(files: &[PathBuf]) -> anyhow::Result<()> {
    for path in files {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        file.sync_all()?; // dirty pages stay
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// How much of the files is in the page cache; `None` where nobody can tell.
pub(crate) fn residency(files: &[PathBuf]) -> Option<Residency> {
    let percents = files.iter().map(|path| resident_percent(path));
    let percents: Option<Vec<f64>> = percents.collect();
    percents?
        .into_iter()
        .map(Residency::of)
        .reduce(Residency::or)
}

/// Per cent of a file in the page cache, by `fincore` of util-linux, which asks `mincore` or `cachestat`; `None` where
/// there is none.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_way_is_the_last() {
        use Evicted::{Advice, DropCaches, Unknown};
        assert_eq!(
            [Advice, Unknown, DropCaches].into_iter().max(),
            Some(Unknown)
        );
        assert_eq!([DropCaches, Advice].into_iter().max(), Some(DropCaches));
    }

    #[test]
    fn files_that_were_read_are_found_in_the_cache_where_anybody_can_tell() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|name| folder.path().join(name));
        for path in &files {
            std::fs::write(path, vec![1; 300_000]).unwrap();
        }
        warm(&files).unwrap();
        let has_fincore = Command::new("fincore").arg("--version").output().is_ok();
        match residency(&files) {
            Some(residency) => assert!(residency.is_warm(), "{residency:?}"),
            None => assert!(!has_fincore),
        }
        assert!(residency(&[folder.path().join("none")]).is_none());
        // What is claimed is what is there afterwards; others' files stay where they are.
        let evicted = evict_or(&files, || false).unwrap();
        let cold = residency(&files).is_some_and(Residency::is_cold);
        assert_eq!(evicted != Evicted::Unknown, cold);
    }
}
