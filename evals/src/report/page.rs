//! A page, as Markdown and as HTML.

use crate::table::Grid;
use std::fmt::Write;

/// A piece of a page.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    Heading(String),
    Text(String),
    Table(Grid),
    /// A picture of the same folder, and what it shows.
    Picture(String, String),
}

/// Title and pieces.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;\
    color:#222}table{border-collapse:collapse;font-size:.85rem;margin:1rem 0;display:block;overflow-x:auto}\
    th,td{padding:.2rem .6rem;border-bottom:1px solid #ddd;white-space:nowrap}\
    th{border-bottom:2px solid #888;text-align:left}.r{text-align:right;font-variant-numeric:tabular-nums}\
    img{max-width:100%;border:1px solid #eee}";

impl Page {
    /// For repositories.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        for block in &self.blocks {
            let _ = match block {
                Block::Heading(heading) => writeln!(text, "\n## {heading}"),
                Block::Text(words) => writeln!(text, "\n{words}"),
                Block::Table(grid) => write!(text, "\n{}", grid.markdown()),
                Block::Picture(file, words) => writeln!(text, "\n![{words}]({file})"),
            };
        }
        text
    }

    /// For browsers.
    pub(crate) fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut text = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" \
             content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n"
        );
        for block in &self.blocks {
            let _ = match block {
                Block::Heading(heading) => writeln!(text, "<h2>{}</h2>", escaped(heading)),
                Block::Text(words) => writeln!(text, "<p>{}</p>", marked(words)),
                Block::Table(grid) => writeln!(text, "{}", grid.html()),
                Block::Picture(file, words) => writeln!(
                    text,
                    "<img src=\"{}\" alt=\"{}\">",
                    escaped(file),
                    escaped(words)
                ),
            };
        }
        text + "</html>\n"
    }
}

/// Text that is safe in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Text whose code, between backticks, is marked.
fn marked(text: &str) -> String {
    let escaped = escaped(text);
    let mut marked = String::new();
    for (index, part) in escaped.split('`').enumerate() {
        match index % 2 {
            0 => marked += part,
            _ => marked += &format!("<code>{part}</code>"),
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Align;

    #[test]
    fn pages_say_the_same_twice() {
        let mut grid = Grid::new(&[("a", Align::Left), ("b", Align::Right)]);
        grid.row(["<x>".to_owned(), "1".to_owned()]);
        let page = Page {
            title: "T & U".to_owned(),
            blocks: vec![
                Block::Heading("H".to_owned()),
                Block::Text("run `evals`".to_owned()),
                Block::Table(grid),
                Block::Picture("p.svg".to_owned(), "a picture".to_owned()),
            ],
        };
        let markdown = page.markdown();
        assert!(markdown.starts_with("# T & U\n\n## H\n\nrun `evals`\n\n| a"));
        assert!(markdown.ends_with("![a picture](p.svg)\n"));
        let html = page.html();
        assert!(html.contains("<h1>T &amp; U</h1>") && html.contains("run <code>evals</code>"));
        assert!(html.contains("<td>&lt;x&gt;</td><td class=\"r\">1</td>"));
    }
}
