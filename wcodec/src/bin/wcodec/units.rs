//! Numbers for people, and the ratios that they ask for.

use std::time::Duration;

/// Seconds that no clock measures as nothing.
const SHORTEST: f64 = 1e-9;

/// Three significant digits.
fn significant(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// A quantity in decimal units: `469 B`, `5.66 MB`.
fn decimal(value: f64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if value < 999.5 {
        return format!("{value:.0} B");
    }
    let mut scaled = value / 1e3;
    let mut unit = 0;
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1e3;
        unit += 1;
    }
    format!("{} {}", significant(scaled), UNITS[unit])
}

/// A length: `469 B`, `5.66 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    decimal(float(bytes))
}

/// Bytes a second: `142 MB/s`.
pub(crate) fn speed(bytes_per_second: f64) -> String {
    decimal(bytes_per_second) + "/s"
}

/// A whole number, its thousands apart: `2,828,736`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `part` of `whole`: `66.6 %`, or `-` of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    ratio(part, whole).map_or("-".into(), |ratio| format!("{:.1} %", 100.0 * ratio))
}

/// A time: `0.04 s`, `12 min 05 s`.
fn seconds(seconds: f64) -> String {
    if seconds < 99.995 {
        return format!("{seconds:.2} s");
    }
    format!(
        "{:.0} min {:02.0} s",
        (seconds / 60.0).floor(),
        (seconds % 60.0).floor()
    )
}

/// `0.04 s (142 MB/s)`.
pub(crate) fn time_and_speed(bytes: u64, time: Duration) -> String {
    format!(
        "{} ({})",
        seconds(time.as_secs_f64()),
        speed(bytes_per_second(bytes, time))
    )
}

/// How fast so many bytes passed.
pub(crate) fn bytes_per_second(bytes: u64, time: Duration) -> f64 {
    float(bytes) / time.as_secs_f64().max(SHORTEST)
}

/// `a / b`, or `None` where there is none.
pub(crate) fn ratio(a: u64, b: u64) -> Option<f64> {
    (b > 0).then(|| float(a) / float(b))
}

/// Bits for each of `num_elems` elements, or `None` if there are none.
pub(crate) fn bits_per_weight(coded_bytes: u64, num_elems: u64) -> Option<f64> {
    ratio(coded_bytes, num_elems).map(|bytes| 8.0 * bytes)
}

/// [`bits_per_weight`] for a table: three decimals, or `-`.
pub(crate) fn bits_per_weight_text(coded_bytes: u64, num_elems: u64) -> String {
    bits_per_weight(coded_bytes, num_elems).map_or("-".into(), |bits| format!("{bits:.3}"))
}

/// The nearest float; sizes below 8 PB are exact.
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let lengths = [
            0,
            469,
            999,
            1000,
            9_994,
            9_995,
            99_949,
            999_499,
            999_500,
            3_770_000,
            7_000_000_000,
            u64::MAX,
        ];
        let texts = lengths.map(bytes);
        let expected = [
            "0 B", "469 B", "999 B", "1.00 kB", "9.99 kB", "10.0 kB", "99.9 kB", "999 kB",
            "1.00 MB", "3.77 MB", "7.00 GB", "18447 PB",
        ];
        assert_eq!(texts, expected);
        assert_eq!(
            [0, 999, 1000, 2_828_736].map(count),
            ["0", "999", "1,000", "2,828,736"]
        );
        assert_eq!([percent(2, 3), percent(1, 0)], ["66.7 %", "-"]);
        assert_eq!([seconds(0.041), seconds(725.6)], ["0.04 s", "12 min 05 s"]);
        assert_eq!(speed(142.4e6), "142 MB/s");
        assert_eq!(
            [bits_per_weight_text(3, 2), bits_per_weight_text(3, 0)],
            ["12.000", "-"]
        );
    }
}
