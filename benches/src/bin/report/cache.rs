//! The page cache: putting a file into it, dropping it, and asking how much of it is there.

use std::fs::File;
use std::path::Path;
use std::process::Command;

/// Reads the file through.
pub(crate) fn warm(path: &Path) -> std::io::Result<()> {
    std::io::copy(&mut File::open(path)?, &mut std::io::sink())?;
    Ok(())
}

/// Asks the system to drop the file from the page cache. [`resident_percent`] tells whether it did.
pub(crate) fn evict(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    file.sync_all()?; // dirty pages stay
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

/// Per cent of the file in the page cache, by `fincore` of util-linux; `None` where there is none.
pub(crate) fn resident_percent(path: &Path) -> Option<f64> {
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
