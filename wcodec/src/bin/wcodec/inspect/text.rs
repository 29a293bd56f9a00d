//! What `inspect` shows, as aligned text.

use super::view::{FileView, NamedBytes, OneTensor, PartView, TensorView};
use crate::output::printable;
use crate::units::{bits_per_weight_text, bytes, count, percent};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::fmt::Write;
use std::path::Path;

/// Columns between two cells.
const GAP: u16 = 2;

/// A table without borders. `columns`: each heading; those that begin with `>` hold numbers.
pub(super) fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(
        columns
            .iter()
            .map(|heading| heading.trim_start_matches('>')),
    );
    table.add_rows(rows);
    for (column, heading) in table.column_iter_mut().zip(columns) {
        column.set_padding((0, GAP));
        if heading.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

/// Names and values below one another.
fn list(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {value}\n"))
        .collect()
}

fn shown_path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

fn shape(dims: &[u64]) -> String {
    let dims: Vec<String> = dims.iter().map(u64::to_string).collect();
    format!("[{}]", dims.join(", "))
}

/// `5.66 MB in 2 files (a.safetensors, b.safetensors)`, however many there are.
fn files(files: &[NamedBytes<'_>]) -> String {
    const SHOWN: usize = 6;
    if files.is_empty() {
        return "none".to_owned();
    }
    let mut names: Vec<&str> = files.iter().take(SHOWN).map(|file| file.name).collect();
    if files.len() > SHOWN {
        names.push("…");
    }
    let total = crate::sizes::total(files.iter().map(|file| file.bytes));
    let plural = if files.len() == 1 { "" } else { "s" };
    let names = names.join(", ");
    format!(
        "{} in {} file{plural} ({})",
        bytes(total),
        files.len(),
        printable(&names)
    )
}

/// The whole file: every tensor, the totals of each dtype, and what else takes space.
pub(super) fn file(view: &FileView<'_>) -> String {
    let columns = [
        "tensor", "dtype", "shape", ">bytes", ">coded", ">b/w", "tools",
    ];
    let rows = view.list.iter().map(|tensor| {
        vec![
            printable(tensor.name).into_owned(),
            tensor.dtype.to_owned(),
            shape(tensor.shape),
            tensor.raw_bytes.to_string(),
            tensor.coded_bytes.to_string(),
            bits_per_weight_text(tensor.coded_bytes, tensor.elements),
            tensor.tools.clone(),
        ]
    });
    let mut text = table(&columns, rows);
    let columns = [
        "dtype", ">tensors", ">weights", ">bytes", ">coded", ">b/w", ">size",
    ];
    let rows = view.totals.iter().map(|total| {
        vec![
            total.dtype.to_owned(),
            count(total.tensors),
            count(total.elements),
            total.raw_bytes.to_string(),
            total.coded_bytes.to_string(),
            bits_per_weight_text(total.coded_bytes, total.elements),
            percent(total.coded_bytes, total.raw_bytes),
        ]
    });
    text.push('\n');
    text.push_str(&table(&columns, rows));
    let sizes = &view.sizes;
    let whole = format!(
        "{}, {} of the source, {} b/w without attachments",
        bytes(sizes.file_bytes),
        percent(sizes.coded_bytes(), sizes.source_bytes),
        bits_per_weight_text(sizes.coded_bytes(), sizes.elements),
    );
    let overhead = format!(
        "{} of index and padding, {} of safetensors headers",
        bytes(view.index_bytes),
        bytes(view.source_header_bytes)
    );
    text.push('\n');
    text.push_str(&list(&[
        (
            "file",
            format!("{}, format version {}", shown_path(view.file), view.version),
        ),
        ("length", whole),
        ("overhead", overhead),
        ("attachments", files(&view.attachments)),
        ("source", files(&view.sources)),
    ]));
    text
}

/// One tensor with its parts.
pub(super) fn tensor(view: &OneTensor<'_>) -> String {
    let tensor = &view.tensor;
    let mut text = list(&[
        ("tensor", printable(tensor.name).into_owned()),
        ("file", shown_path(view.file)),
        ("dtype", tensor.dtype.to_owned()),
        ("shape", shape(tensor.shape)),
        ("weights", count(tensor.elements)),
        ("bytes", count(tensor.raw_bytes)),
        (
            "coded",
            format!(
                "{} ({})",
                count(tensor.coded_bytes),
                percent(tensor.coded_bytes, tensor.raw_bytes)
            ),
        ),
        (
            "b/w",
            bits_per_weight_text(tensor.coded_bytes, tensor.elements),
        ),
        ("tools", tensor.tools.clone()),
        (
            "source",
            format!(
                "{}, data offset {}",
                printable(tensor.source),
                count(tensor.data_offset)
            ),
        ),
        ("digest", format!("blake3 {}", tensor.digest)),
        ("same bytes", same_bytes(view)),
        ("chunks", chunks(tensor)),
    ]);
    if !tensor.parts.is_empty() {
        text.push('\n');
        text.push_str(&parts(&tensor.parts));
    }
    text
}

/// The tensors that share its payload.
fn same_bytes(view: &OneTensor<'_>) -> String {
    match view.tensor.duplicate_of {
        Some(original) => format!("stored once, with {}", printable(original)),
        None if view.duplicates.is_empty() => "no other tensor".to_owned(),
        None => format!(
            "stored once, here, for {}",
            printable(&view.duplicates.join(", "))
        ),
    }
}

fn chunks(tensor: &TensorView<'_>) -> String {
    let num_chunks: u64 = tensor
        .parts
        .iter()
        .map(|part| u64::from(part.num_chunks))
        .sum();
    let each = count(u64::from(tensor.chunk_samples));
    format!("{} of up to {each} samples", count(num_chunks))
}

fn parts(parts: &[PartView]) -> String {
    let columns = [
        ">part",
        "method",
        "mapping",
        ">coded bits",
        ">stored",
        ">zero",
        "chunks",
        ">offset",
        ">bytes",
        ">table",
        "crc32c",
    ];
    let rows = parts.iter().enumerate().map(|(number, part)| {
        let mut chunks = part.first_chunk.to_string();
        if part.num_chunks > 1 {
            // Writing to a string never fails.
            let _ = write!(
                chunks,
                "-{}",
                part.first_chunk.saturating_add(part.num_chunks - 1)
            );
        }
        // Only chunked parts split their samples.
        let split = |value: String| match part.method {
            "chunked" => value,
            _ => "-".to_owned(),
        };
        vec![
            number.to_string(),
            part.method.to_owned(),
            split(part.mapping.to_owned()),
            split(part.symbol_bits.to_string()),
            split(part.stored_bits.to_string()),
            split(part.zero_bits.to_string()),
            chunks,
            part.payload_offset.to_string(),
            part.payload_bytes.to_string(),
            split(part.table_bytes.to_string()),
            part.crc32c.clone(),
        ]
    });
    table(&columns, rows)
}
