//! JSON with a row a line: results that are long lists stay readable, and their differences small.

use anyhow::Context;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// The value as JSON, with a line for each field and for each element of a list; an element's own fields stay on its
/// line, unless a list of objects is among them.
///
/// # Errors
///
/// If the value cannot be JSON.
pub(crate) fn rows(value: &impl Serialize) -> anyhow::Result<String> {
    let mut shapes = Shapes::default();
    value.serialize(&mut Serializer::with_formatter(io::sink(), &mut shapes))?;
    let mut text = Vec::new();
    let rows = Rows::new(shapes.has_objects);
    value.serialize(&mut Serializer::with_formatter(&mut text, rows))?;
    text.push(b'\n');
    String::from_utf8(text).context("JSON is text")
}

/// Looks at a value's objects and lists before it is written.
#[derive(Debug, Default)]
struct Shapes {
    /// Of each object and list, in order of their begin: whether it is or holds a list of objects.
    has_objects: Vec<bool>,
    /// Those around the next value: where in `has_objects`, and whether it is a list.
    around: Vec<(usize, bool)>,
}

impl Shapes {
    fn begin(&mut self, is_list: bool) {
        self.around.push((self.has_objects.len(), is_list));
        self.has_objects.push(false);
    }
}

impl Formatter for &mut Shapes {
    fn begin_array<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.begin(true);
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.around.pop();
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        if self.around.last().is_some_and(|(_, is_list)| *is_list) {
            for (index, _) in &self.around {
                if let Some(has_objects) = self.has_objects.get_mut(*index) {
                    *has_objects = true;
                }
            }
        }
        self.begin(false);
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.around.pop();
        Ok(())
    }
}

#[derive(Debug)]
struct Rows {
    /// Of the objects and lists to come, in order of their begin.
    has_objects: std::vec::IntoIter<bool>,
    /// Of each object and list around the next value: whether all of it is on one line. So are those that are in a
    /// list and neither are nor hold a list of objects.
    is_one_line: Vec<bool>,
    /// Lists around the next value.
    lists: usize,
    has_value: bool,
}

impl Rows {
    fn new(has_objects: Vec<bool>) -> Self {
        Self {
            has_objects: has_objects.into_iter(),
            is_one_line: Vec::new(),
            lists: 0,
            has_value: false,
        }
    }

    fn begin(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        let has_objects = self.has_objects.next().unwrap_or_default();
        self.is_one_line.push(self.lists > 0 && !has_objects);
        self.has_value = false;
        out.write_all(bracket)
    }

    fn end(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        let is_one_line = self.is_one_line.pop().unwrap_or_default();
        if self.has_value && !is_one_line {
            self.line(out)?;
        }
        self.has_value = true;
        out.write_all(bracket)
    }

    fn line(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.is_one_line.len()).try_for_each(|_| out.write_all(b"  "))
    }

    fn separate(&self, out: &mut (impl Write + ?Sized), first: bool) -> io::Result<()> {
        match (first, self.is_one_line.last() == Some(&true)) {
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
        self.begin(out, b"[")?;
        self.lists += 1;
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.lists -= 1;
        self.end(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.separate(out, first)
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
            "rows": [{"x": [1, 2], "y": {"z": null}}, {"x": [], "y": {}}, {"long": [{"z": [3]}, {}], "x": 4}]
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
    {"x": [], "y": {}},
    {
      "long": [
        {"z": [3]},
        {}
      ],
      "x": 4
    }
  ]
}
"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
