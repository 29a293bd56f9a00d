//! Sizes as tables.

use super::{SizeRow, WHOLE};
use crate::table::{Align, Grid};

/// Whole files: wcodec in bits per weight.
pub(super) fn summary(rows: &[SizeRow]) -> Grid {
    use Align::{Left, Right};
    let mut grid = Grid::new(&[
        ("model", Left),
        ("format", Left),
        ("weights", Right),
        ("b/w raw", Right),
        ("b/w coded", Right),
        ("of raw", Right),
        ("smaller by", Right),
    ]);
    for row in rows.iter().filter(|row| row.class == WHOLE) {
        let share = row.percent(row.ours());
        grid.row([
            row.model.clone(),
            row.format.clone(),
            row.weights.to_string(),
            format!("{:.2}", row.bpw(row.raw_bytes)),
            format!("{:.2}", row.bpw(row.ours())),
            format!("{share:.1} %"),
            format!("{:.1} %", 100.0 - share),
        ]);
    }
    grid
}

/// Bits per weight of every codec, of whole files or of the classes in them.
pub(crate) fn codecs(rows: &[SizeRow], whole: bool) -> Grid {
    let names = rows
        .first()
        .map(|row| row.codecs.iter().map(|codec| codec.codec.clone()));
    let names: Vec<String> = names.into_iter().flatten().collect();
    let mut header = vec![("model", Align::Left), ("format", Align::Left)];
    if !whole {
        header.push(("class", Align::Left));
    }
    header.push(("raw", Align::Right));
    header.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    header.push(("ratio", Align::Right));
    let mut grid = Grid::new(&header);
    for row in rows.iter().filter(|row| (row.class == WHOLE) == whole) {
        let mut cells = vec![row.model.clone(), row.format.clone()];
        if !whole {
            cells.push(row.class.clone());
        }
        cells.push(format!("{:.3}", row.bpw(row.raw_bytes)));
        cells.extend(
            row.codecs
                .iter()
                .map(|codec| format!("{:.3}", row.bpw(codec.bytes))),
        );
        cells.push(format!("{:.3}", row.raw_bytes as f64 / row.ours() as f64));
        grid.row(cells);
    }
    grid
}

/// The tables as a page.
pub(super) fn markdown(rows: &[SizeRow]) -> String {
    let mut text = format!("{}\n", summary(rows).markdown().trim_end());
    if rows.iter().any(|row| row.codecs.len() > 1) {
        text += &format!(
            "\nBits per weight of whole files beside general codecs, one stream over all tensors each (pco: one a tensor); the \
             last column is wcodec's ratio:\n\n{}\n\
             The same by tensor class, without headers. Scales are counted over all weights of the file:\n\n{}",
            codecs(rows, true).markdown().trim_end().to_owned() + "\n",
            codecs(rows, false).markdown()
        );
    }
    text
}
