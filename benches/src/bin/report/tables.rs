//! The results as Markdown tables.

use crate::machine::Machine;
use crate::rows::{CodecRow, LoadRow};
use std::fmt::Write;

/// All tables of a run.
pub(crate) fn markdown(machine: &Machine, codecs: &[CodecRow], loads: &[LoadRow]) -> String {
    let mut text = format!(
        "# Results\n\n{}. GB/s of decoded bytes; medians, least and most in the CSV files.\n",
        machine.line()
    );
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for row in codecs {
        let group = (row.operation.as_str(), row.dtype.as_str());
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    for (operation, dtype) in groups {
        let rows = codecs
            .iter()
            .filter(|row| (row.operation.as_str(), row.dtype.as_str()) == (operation, dtype));
        let _ = write!(
            text,
            "\n## {dtype}: {operation}\n\n| codec | threads | % of raw | GB/s | x memcpy |\n|---|---|---|---|---|\n"
        );
        for row in rows {
            let name = row.label();
            let CodecRow {
                threads,
                percent_of_raw,
                gb_per_s,
                of_memcpy,
                ..
            } = row;
            let _ = writeln!(
                text,
                "| {name} | {threads} | {percent_of_raw:.1} | {gb_per_s:.2} | {of_memcpy:.2} |"
            );
        }
    }
    if !loads.is_empty() {
        let _ = write!(
            text,
            "\n## Loads into candle\n\nEvery tensor by name, in a fresh process. Cold: dropped from the page cache before.\n\n\
             | model | as | cache | loader | seconds | GB/s | x candle | peak memory | file in cache before |\n|---|---|---|---|---|---|---|---|---|\n"
        );
    }
    for row in loads {
        let LoadRow {
            model,
            dtype,
            cache,
            loader,
            seconds_median,
            gb_per_s,
            times_candle,
            ..
        } = row;
        let peak = row.peak_rss_bytes.map_or(String::new(), |bytes| {
            format!("{:.2} GB", bytes as f64 / 1e9)
        });
        let resident = row
            .resident_percent
            .map_or("unknown".to_owned(), |percent| format!("{percent:.0} %"));
        let _ = writeln!(
            text,
            "| {model} | {dtype} | {cache} | {loader} | {seconds_median:.3} | {gb_per_s:.2} | {times_candle:.2} | {peak} | {resident} |"
        );
    }
    text
}

impl CodecRow {
    /// The codec's name, with its path.
    pub(crate) fn label(&self) -> String {
        if self.path.is_empty() {
            self.codec.clone()
        } else {
            format!("{} {}", self.codec, self.path)
        }
    }
}
