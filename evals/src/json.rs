//! JSON with a row a line: results that are long lists stay readable, and their differences small.

use anyhow::Context;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// The value as JSON, with a line for each field and for each element of a list; an element's own fields stay on its
/// line.
///
/// # Errors
///
/// If the value cannot be JSON.
pub(crate) fn rows(value: &impl Serialize) -> anyhow::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, Rows::default()))?;
    text.push(b'\n');
    String::from_utf8(text).context("JSON is text")
}

#[derive(Debug, Default)]
struct Rows {
    /// Objects and lists around the next value.
    depth: usize,
    /// Lists among them.
    lists: usize,
    has_value: bool,
}

impl Rows {
    fn begin(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        out.write_all(bracket)
    }

    /// `lists`: those around the values of what ends.
    fn end(
        &mut self,
        out: &mut (impl Write + ?Sized),
        bracket: &[u8],
        is_one_line: bool,
    ) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value && !is_one_line {
            self.line(out)?;
        }
        self.has_value = true;
        out.write_all(bracket)
    }

    fn line(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b"  "))
    }

    fn separate(
        &self,
        out: &mut (impl Write + ?Sized),
        first: bool,
        is_one_line: bool,
    ) -> io::Result<()> {
        match (first, is_one_line) {
            (true, true) => Ok(()),
            (false, true) => out.write_all(b", "),
            (true, false) => self.line(out),
            (false, false) => {
                out.write_all(b",")?;
                self.line(out)
            }
        }
    }
}

impl Formatter for Rows {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.lists += 1;
        self.begin(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.lists -= 1;
        self.end(out, b"]", self.lists > 0)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first, self.lists > 1)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}", self.lists > 0)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first, self.lists > 0)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_row_has_a_line() {
        let value = json!({
            "a": {"b": 1, "empty": {}},
            "list": [],
            "rows": [{"x": [1, 2], "y": {"z": null}}, {"x": [], "y": {}}]
        });
        let text = rows(&value).unwrap();
        let expected = r#"{
  "a": {
    "b": 1,
    "empty": {}
  },
  "list": [],
  "rows": [
    {"x": [1, 2], "y": {"z": null}},
    {"x": [], "y": {}}
  ]
}
"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
