//! Sizes as tables.

use super::{SizeRow, WHOLE};
use crate::origin::Origin;
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
                .map(|codec| format!("{:.3}", row.bpw(codec.coded_bytes))),
        );
        cells.push(format!("{:.3}", row.raw_bytes as f64 / row.ours() as f64));
        grid.row(cells);
    }
    grid
}

/// GB/s of decoded bytes of every codec, of whole files.
pub(crate) fn speeds(rows: &[SizeRow]) -> Grid {
    let whole: Vec<&SizeRow> = rows.iter().filter(|row| row.class == WHOLE).collect();
    let names = whole.first().map(|row| row.codecs.as_slice());
    let mut header = vec![("model", Align::Left), ("format", Align::Left)];
    let names = names.into_iter().flatten();
    header.extend(names.map(|codec| (codec.codec.as_str(), Align::Right)));
    let mut grid = Grid::new(&header);
    for row in whole {
        let mut cells = vec![row.model.clone(), row.format.clone()];
        cells.extend(row.codecs.iter().map(|codec| {
            codec
                .decode_gb_per_s
                .map_or_else(String::new, |speed| format!("{speed:.3}"))
        }));
        grid.row(cells);
    }
    grid
}

/// What quantised versions are.
pub(crate) const QUANTISED: &str = "Quantised versions are made from the F32 checkpoint: matrices by the largest \
    magnitude of \
    each tensor, row or group (128 weights of a row, and what is left at its end), with scales in F16; vectors stay \
    F32.";

/// What the codecs' columns hold.
pub(crate) const CODECS: &str = "Bits per weight of whole files: of wcodec with headers, index and checksums, of the \
    others one \
    stream over the bytes of all tensors in the order of their names (pco: one for each tensor). gzip is DEFLATE at \
    level 6, \
    bzip2 at 9, xz at 6. The last column is raw size over wcodec's.";

/// The tables as a page.
pub(super) fn markdown(rows: &[SizeRow], effort: &str, origin: &Origin) -> String {
    let mut text = format!(
        "# Sizes\n\nBits per weight (b/w) of whole files, `--effort {effort}`; everything was decoded and compared. \
            {QUANTISED}\n\n{}",
        summary(rows).markdown()
    );
    if rows.iter().any(|row| row.codecs.len() > 1) {
        text += &format!(
            "\n## Beside general codecs\n\n{CODECS}\n\n{}\nThe same by tensor class, without headers. Scales are \
                counted \
             over all weights of the file.\n\n{}",
            codecs(rows, true).markdown(),
            codecs(rows, false).markdown()
        );
    }
    format!(
        "{text}\n## Origin\n\nSizes are the same on every machine. {}",
        origin.markdown()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::CodecSize;

    #[test]
    fn pages_have_sizes_and_say_where_they_come_from() {
        let codec = |codec: &str, coded_bytes| CodecSize {
            codec: codec.into(),
            coded_bytes,
            decode_gb_per_s: Some(1.25),
        };
        let row = SizeRow {
            model: "m".into(),
            format: "BF16".into(),
            class: WHOLE.into(),
            weights: 1000,
            raw_bytes: 2000,
            codecs: vec![codec("wcodec", 1325), codec("xz", 1500)],
        };
        let origin = Origin::read(None, &[], &[]).unwrap();
        let page = markdown(std::slice::from_ref(&row), "fast", &origin);
        for part in [
            "| m     | BF16   |    1000 |   16.00 |     10.60 | 66.2 % |     33.8 % |",
            "| m     | BF16   | 16.000 | 10.600 | 12.000 | 1.509 |",
            "`--effort fast`",
            origin.program.commit.as_str(),
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(speeds(&[row]).markdown().contains("|  1.250 | 1.250 |"));
    }
}
