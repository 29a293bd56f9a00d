//! Tables for terminals and for Markdown.

use crate::report::escaped;
use comfy_table::{CellAlignment, Table, TableStyle, presets};

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under a header.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    header: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(crate) fn new(header: &[(&str, Align)]) -> Self {
        let header = header
            .iter()
            .map(|(name, align)| ((*name).to_owned(), *align));
        Self {
            header: header.collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// For a terminal.
    pub(crate) fn plain(&self) -> String {
        format!("{}\n", self.table(presets::NOTHING))
    }

    /// For a page.
    pub(crate) fn markdown(&self) -> String {
        let table = self.table(presets::ASCII_MARKDOWN).to_string();
        // The colons say on which side a column stands when the page is shown.
        let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
        if let Some(rule) = lines.get_mut(1) {
            let mut columns: Vec<String> = rule.split('|').map(str::to_owned).collect();
            for (column, (_, align)) in columns.iter_mut().skip(1).zip(&self.header) {
                if *align == Align::Right && column.len() > 1 {
                    column.replace_range(column.len() - 1.., ":");
                }
            }
            *rule = columns.join("|");
        }
        format!("{}\n", lines.join("\n"))
    }

    /// For a browser.
    pub(crate) fn html(&self) -> String {
        let cell = |tag: &str, text: &str, align: Option<&(String, Align)>| {
            let class = match align {
                Some((_, Align::Right)) => " class=\"r\"",
                _ => "",
            };
            format!("<{tag}{class}>{}</{tag}>", escaped(text))
        };
        let line = |tag: &str, cells: &[String]| {
            let cells = cells.iter().enumerate();
            let cells = cells.map(|(index, text)| cell(tag, text, self.header.get(index)));
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let header: Vec<String> = self.header.iter().map(|(name, _)| name.clone()).collect();
        let rows: String = self.rows.iter().map(|row| line("td", row)).collect();
        format!("<table>\n{}{rows}</table>", line("th", &header))
    }

    fn table(&self, style: TableStyle) -> Table {
        let mut table = Table::new();
        table.load_style(style);
        table.set_header(self.header.iter().map(|(name, _)| name.clone()));
        for row in &self.rows {
            table.add_row(row.clone());
        }
        for (index, (_, align)) in self.header.iter().enumerate() {
            if let (Align::Right, Some(column)) = (align, table.column_mut(index)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_says_where_columns_stand() {
        let mut grid = Grid::new(&[("name", Align::Left), ("b/w", Align::Right)]);
        grid.row(["a".to_owned(), "10.62".to_owned()]);
        let text = grid.markdown();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            ["| name | b/w   |", "|------|------:|", "| a    | 10.62 |"].map(|line| {
                // The header stands on the same side as its column.
                if line.starts_with("| name") {
                    "| name |   b/w |"
                } else {
                    line
                }
            })
        );
    }
}
