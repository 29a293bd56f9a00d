//! The table as text and as JSON.

use super::checks::Check;
use super::measure::Row;
use comfy_table::{CellAlignment, Table, TableStyle};
use serde_json::{Value, json};
use wcodec::Tool;

/// Columns before the numbers.
const NAME_COLUMNS: usize = 2;

/// The table, a row an input.
pub(crate) fn table(rows: &[Row], preset: TableStyle) -> Table {
    let mut header = vec!["of", "input", "raw"];
    header.extend(Tool::ALL.map(Tool::name));
    header.extend([
        "choice",
        "file",
        "best tool",
        "codes",
        "entropy",
        "zstd -19",
        "xz -9",
    ]);
    let num_columns = header.len();
    let mut table = Table::new();
    table.load_style(preset).set_header(header);
    for row in rows {
        table.add_row(cells(row));
    }
    for column in NAME_COLUMNS..num_columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
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

/// Everything as one JSON object.
pub(crate) fn json(effort: &str, rows: &[Row], checks: &[Check]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let alone = row.alone.iter();
            let alone: serde_json::Map<String, Value> = alone
                .map(|(tool, bits)| (tool.name().to_owned(), json!(bits)))
                .collect();
            json!({
                "of": row.group, "input": row.name, "weights": row.weights, "raw": row.raw, "alone": alone,
                "choice": row.choice, "file": row.file,
                "codes": row.codes.map(|codes| codes.coded), "entropy": row.codes.map(|codes| codes.entropy),
                "zstd_19": row.zstd, "xz_9": row.xz,
            })
        })
        .collect();
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "of": check.group, "input": check.input, "rule": check.rule,
                "bits": check.bits, "at_most": check.at_most, "ok": check.is_ok(),
            })
        })
        .collect();
    json!({"effort": effort, "rows": rows, "checks": checks})
}
