//! The table as text and as JSON.

use super::checks::Check;
use super::measure::Row;
use crate::origin::Origin;
use crate::table::{Align, Grid};
use serde_json::{Value, json};
use wcodec::Tool;

/// The table, a row an input.
pub(super) fn table(rows: &[Row]) -> Grid {
    use Align::{Left, Right};
    let mut header = vec![("of", Left), ("input", Left), ("raw", Right)];
    header.extend(Tool::ALL.map(|tool| (tool.name(), Right)));
    header.extend([("choice", Right), ("file", Right), ("best tool", Left)]);
    header.extend([("codes", Right), ("entropy", Right)]);
    header.extend([("zstd -19", Right), ("xz -9", Right)]);
    let mut grid = Grid::new(&header);
    for row in rows {
        grid.row(cells(row));
    }
    grid
}

fn cells(row: &Row) -> Vec<String> {
    let bits = |bits: f64| format!("{bits:.2}");
    let maybe = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), bits);
    let mut cells = vec![row.group.clone(), row.name.clone(), bits(row.raw)];
    for tool in Tool::ALL {
        let alone = row.alone.iter().find(|(other, _)| *other == tool);
        cells.push(maybe(alone.map(|(_, bits)| *bits)));
    }
    let best = row.best_alone().map_or("-", |(tool, _)| tool.name());
    cells.extend([bits(row.choice), bits(row.file), best.to_owned()]);
    cells.extend([
        maybe(row.codes.map(|codes| codes.coded)),
        maybe(row.codes.map(|codes| codes.entropy)),
        bits(row.zstd),
        maybe(row.xz),
    ]);
    cells
}

/// Everything as a page.
pub(super) fn markdown(effort: &str, rows: &[Row], checks: &[Check], origin: &Origin) -> String {
    let missed = checks.iter().filter(|check| !check.is_ok()).count();
    let mut text = format!(
        "# Coding tools\n\nEvery input coded by each tool alone, then by the encoder's own choice (`--effort \
            {effort}`), with zstd -19 \
         and xz -9 beside it. Every size was decoded and compared before it was counted.\n\nBits per weight: of \
         whole files for \
         models, of payloads for single tensors, whose files are the column `file`. `codes` and `entropy` are bits \
         per code of the \
         tensors with codes of at most 8 bits, without scales and vectors.\n\n{}\n## Bounds\n\nWhat the choice has \
         to keep; {} of {} \
         are missed.\n\n",
        table(rows).markdown(),
        missed,
        checks.len()
    );
    for check in checks {
        text += &format!("- {check}\n");
    }
    format!(
        "{text}\n## Origin\n\nSizes are the same on every machine. {}",
        origin.markdown()
    )
}

/// Everything as one JSON object; `bpw` is bits per weight, or per element.
pub(crate) fn json(effort: &str, rows: &[Row], checks: &[Check]) -> Value {
    let row_json = |row: &Row| {
        let alone = row.alone.iter();
        let alone: serde_json::Map<String, Value> = alone
            .map(|(tool, bits)| (tool.name().to_owned(), json!(bits)))
            .collect();
        json!({
            "group": row.group, "input": row.name, "weights": row.weights, "raw_bpw": row.raw, "alone_bpw": alone,
            "choice_bpw": row.choice, "file_bpw": row.file,
            "codes_bits": row.codes.map(|codes| codes.coded), "entropy_bits": row.codes.map(|codes| codes.entropy),
            "zstd_19_bpw": row.zstd, "xz_9_bpw": row.xz,
        })
    };
    let check_json = |check: &Check| {
        json!({
            "group": check.group, "input": check.input, "rule": check.rule,
            "bits": check.bits, "at_most_bits": check.at_most, "is_ok": check.is_ok(),
        })
    };
    let rows: Vec<Value> = rows.iter().map(row_json).collect();
    let checks: Vec<Value> = checks.iter().map(check_json).collect();
    json!({"effort": effort, "rows": rows, "checks": checks})
}
