//! What this process needed, and bytes for people.

/// The most memory this process had since it began or since [`reset_peak`], mapped files included. Linux only.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Counts the peak anew, where the system lets a process do so.
pub(crate) fn reset_peak() {
    // Where it cannot, peaks are those since the beginning: too high, never too low.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A length in MB or GB.
pub(crate) fn length(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        bytes => format!("{:.1} MB", bytes / 1e6),
    }
}
