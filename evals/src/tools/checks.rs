//! What has to be true of the table.

use super::input::Promise;
use super::measure::Row;
use std::fmt;
use wcodec::Tool;

/// How much larger than the best of others still counts as reached.
const TOLERANCE: f64 = 1.005;
/// The same for the distance to an entropy.
const ENTROPY_TOLERANCE: f64 = 1.01;

/// A bound on a size, in bits per weight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    pub(crate) group: String,
    pub(crate) input: String,
    pub(crate) rule: String,
    pub(crate) bits: f64,
    pub(crate) at_most: f64,
}

impl Check {
    pub(crate) fn is_ok(&self) -> bool {
        self.bits <= self.at_most
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_ok() { "ok" } else { "MISSED" };
        write!(
            f,
            "{word:6} {} {}: {:.4} bits, at most {:.4}: {}",
            self.group, self.input, self.bits, self.at_most, self.rule
        )
    }
}

/// The bounds on each row: those on all, then those that its input promises.
pub(crate) fn checks(rows: &[Row]) -> Vec<Check> {
    let mut checks = Vec::new();
    for row in rows {
        let mut add = |rule: String, bits, at_most| {
            checks.push(Check {
                group: row.group.clone(),
                input: row.name.clone(),
                rule,
                bits,
                at_most,
            });
        };
        if let Some((tool, bits)) = row.best_alone() {
            let rule = format!("the best tool alone, {}, + 0.5 %", tool.name());
            add(rule, row.choice, bits * TOLERANCE);
        }
        if let Some((_, bits)) = row.alone.iter().find(|(tool, _)| *tool == Tool::Stored) {
            add("stored".to_owned(), row.choice, *bits);
        }
        for promise in &row.promises {
            if let Some((rule, bits, at_most)) = bound(*promise, row, rows) {
                add(rule, bits, at_most);
            }
        }
    }
    checks
}

/// A promise as its rule, the size that it is about and the bound; nothing if there is nothing to compare with.
fn bound(promise: Promise, row: &Row, rows: &[Row]) -> Option<(String, f64, f64)> {
    Some(match promise {
        Promise::WithinEntropy => {
            let codes = row.codes?;
            let rule = "codes at their entropy + 1 %".to_owned();
            (rule, codes.coded, codes.entropy * ENTROPY_TOLERANCE)
        }
        Promise::SmallerThanZstd(factor) => {
            let rule = format!("zstd -19 / {factor:.2}");
            (rule, row.choice, row.zstd / factor)
        }
        Promise::SmallerThanRaw(factor) => {
            let rule = format!("{:.0} % of raw", 100.0 / factor);
            (rule, row.choice, row.raw / factor)
        }
        Promise::NotAbove(name) => {
            let mut rows = rows.iter();
            let other = rows.find(|other| other.group == row.group && other.name == name)?;
            let rule = format!("{name} + 0.5 %");
            (rule, row.choice, other.choice * TOLERANCE)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::measure::Codes;
    use super::super::table;
    use super::*;

    fn row(name: &str, choice: f64, promises: &[Promise]) -> Row {
        Row {
            group: "m".to_owned(),
            name: name.to_owned(),
            promises: promises.to_vec(),
            weights: 100,
            raw: 8.0,
            alone: vec![(Tool::Stored, 8.1), (Tool::Split, 6.0), (Tool::Left, 6.0)],
            choice,
            file: choice,
            codes: Some(Codes {
                coded: choice,
                entropy: 5.9,
            }),
            zstd: 7.0,
            xz: None,
        }
    }

    #[test]
    fn every_rule_has_its_bound() {
        let promises = [
            Promise::WithinEntropy,
            Promise::SmallerThanZstd(1.4),
            Promise::SmallerThanRaw(20.0),
            Promise::NotAbove("a"),
            Promise::NotAbove("not there"),
        ];
        let rows = [row("a", 6.02, &[]), row("b", 6.04, &promises)];
        let checks = checks(&rows);
        let bounds: Vec<String> = checks[2..]
            .iter()
            .map(|check| format!("{:.3}", check.at_most))
            .collect();
        let expected = ["6.030", "8.100", "5.959", "5.000", "0.400", "6.050"];
        assert_eq!(bounds, expected);
        let kept: Vec<bool> = checks.iter().map(Check::is_ok).collect();
        assert_eq!(kept, [true, true, false, true, false, false, false, true]);
        let line = "MISSED m b: 6.0400 bits, at most 6.0300: the best tool alone, split, + 0.5 %";
        assert_eq!(checks[2].to_string(), line);
    }

    #[test]
    fn the_table_has_a_column_for_each_size() {
        let rows = [row("a", 6.02, &[])];
        let text = table::table(&rows).markdown();
        let cells: Vec<&str> = text
            .lines()
            .last()
            .unwrap()
            .split('|')
            .map(str::trim)
            .collect();
        let before = ["", "m", "a", "8.00", "8.10", "6.00", "6.00"];
        assert_eq!(cells[..7], before);
        let after = ["6.02", "6.02", "split", "6.02", "5.90", "7.00", "-", ""];
        assert_eq!(cells[7 + Tool::ALL.len() - 3..], after);
        let json = table::json("default", &rows, &checks(&rows));
        assert_eq!(json["rows"][0]["alone_bpw"]["split"], 6.0);
        assert_eq!(json["checks"][0]["is_ok"], true);
    }
}
