//! Rows with a name, each in two panels side by side: whatever the numbers are, no words can meet.

use super::canvas::{BOLD_LINE, Canvas, DARK, Words, bounds, font, picture};
use plotters::prelude::{Circle, Color, PathElement, RGBColor, ShapeStyle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;
use std::path::Path;

const WIDTH: u32 = 1060;
const HEAD_PIXELS: u32 = 66;
const ROW_PIXELS: i32 = 24;
const AXIS_PIXELS: i32 = 56;
/// Where names begin.
const NAMES: i32 = 20;
/// Where the words of each panel begin.
const WORDS: [i32; 2] = [172, 640];
/// Where each panel begins and ends.
const PANELS: [Range<i32>; 2] = [290..620, 780..1040];

/// What stands in a panel: from a hollow point to a full one, on it the standard error.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) words: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) error: f64,
}

impl Mark {
    /// One point.
    pub(super) fn at(value: f64, words: String) -> Self {
        Self {
            words,
            from: value,
            to: value,
            error: 0.0,
        }
    }
}

/// A row: its name, its colour, and what stands in both panels.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) marks: [Mark; 2],
}

/// A panel's axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) words: String,
    pub(super) ticks: Vec<f64>,
    pub(super) tick_words: fn(f64) -> String,
    /// Where a number stands: monotonous.
    pub(super) scale: fn(f64) -> f64,
}

impl Axis {
    /// The scaled numbers at both ends of a panel: all that stands in it, with some room.
    fn range(&self, marks: &[&Mark]) -> Range<f64> {
        let ends = marks.iter().flat_map(|mark| {
            let ends = [mark.from, mark.to - mark.error, mark.to + mark.error];
            ends.map(self.scale)
        });
        let (least, most) = bounds(ends);
        let room = (most - least).max(1e-6) * 0.06;
        least - room..most + room
    }
}

/// Draws the rows from top to bottom.
///
/// # Errors
///
/// If the file cannot be written.
pub(super) fn draw(
    file: &Path,
    words: &Words<'_>,
    axes: &[Axis; 2],
    rows: &[Row],
) -> anyhow::Result<()> {
    let bottom = i32::try_from(rows.len())? * ROW_PIXELS;
    let height = HEAD_PIXELS + u32::try_from(bottom + AXIS_PIXELS)?;
    picture(file, (WIDTH, height), words, |_, body| {
        draw_rows(body, axes, rows, bottom)
    })
}

/// The rows' names and numbers above `bottom`, and both panels.
fn draw_rows(body: &Canvas<'_>, axes: &[Axis; 2], rows: &[Row], bottom: i32) -> anyhow::Result<()> {
    for (row, y) in rows.iter().zip(middles()) {
        let name = (NAMES, y - 7);
        body.draw(&Text::new(row.name.as_str(), name, font(13, row.colour)))?;
        for (mark, x) in row.marks.iter().zip(WORDS) {
            body.draw(&Text::new(mark.words.as_str(), (x, y - 7), font(13, DARK)))?;
        }
    }
    for (side, axis) in axes.iter().enumerate() {
        let marks: Vec<&Mark> = rows.iter().map(|row| &row.marks[side]).collect();
        let place = Place {
            scale: axis.scale,
            range: axis.range(&marks),
            pixels: PANELS[side].clone(),
        };
        grid(body, axis, &place, bottom)?;
        for ((row, mark), y) in rows.iter().zip(marks).zip(middles()) {
            draw_mark(body, mark, row.colour, &place, y)?;
        }
    }
    Ok(())
}

/// The middles of the rows.
fn middles() -> impl Iterator<Item = i32> {
    (0..).map(|index| index * ROW_PIXELS + ROW_PIXELS / 2)
}

/// Where a panel's numbers stand.
struct Place {
    scale: fn(f64) -> f64,
    range: Range<f64>,
    pixels: Range<i32>,
}

impl Place {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of the panel's pixels, and a cast saturates"
    )]
    fn x(&self, value: f64) -> i32 {
        let share = ((self.scale)(value) - self.range.start) / (self.range.end - self.range.start);
        let pixels = f64::from(self.pixels.end - self.pixels.start);
        self.pixels
            .start
            .saturating_add((share * pixels).round() as i32)
    }
}

/// Ticks and their lines, those that stand too near to the one before left out, and what the axis is.
fn grid(body: &Canvas<'_>, axis: &Axis, place: &Place, bottom: i32) -> anyhow::Result<()> {
    let centred = |pixels| font(pixels, DARK).pos(Pos::new(HPos::Center, VPos::Top));
    let mut free = place.pixels.start;
    for tick in &axis.ticks {
        let (x, words) = (place.x(*tick), (axis.tick_words)(*tick));
        let half = i32::try_from(words.len())? * 7 / 2;
        if !place.pixels.contains(&x) || x.saturating_sub(half) < free {
            continue;
        }
        free = x + half + 4;
        body.draw(&PathElement::new([(x, 0), (x, bottom + 4)], BOLD_LINE))?;
        body.draw(&Text::new(words, (x, bottom + 8), centred(12)))?;
    }
    let ends = [(place.pixels.start, bottom), (place.pixels.end, bottom)];
    body.draw(&PathElement::new(ends, DARK))?;
    let middle = (place.pixels.start + place.pixels.end) / 2;
    let words = axis.words.as_str();
    body.draw(&Text::new(words, (middle, bottom + 30), centred(13)))?;
    Ok(())
}

fn draw_mark(
    body: &Canvas<'_>,
    mark: &Mark,
    colour: RGBColor,
    place: &Place,
    y: i32,
) -> anyhow::Result<()> {
    let line = |from: f64, to: f64, style: ShapeStyle| {
        PathElement::new([(place.x(from), y), (place.x(to), y)], style)
    };
    let thin = ShapeStyle::from(&colour).stroke_width(2);
    if mark.error > 0.0 {
        let wide = ShapeStyle::from(&colour.mix(0.4)).stroke_width(6);
        body.draw(&line(mark.to - mark.error, mark.to + mark.error, wide))?;
    }
    if mark.from != mark.to {
        body.draw(&line(mark.from, mark.to, thin))?;
        body.draw(&Circle::new((place.x(mark.from), y), 4, thin))?;
    }
    body.draw(&Circle::new((place.x(mark.to), y), 5, thin.filled()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The begin and the end of every word in a picture, with its baseline's height, about.
    fn words(svg: &str) -> Vec<(f64, f64, f64)> {
        let texts = svg.split("<text ").skip(1);
        let attribute = |text: &str, name: &str| -> String {
            let rest = text.split_once(&format!("{name}=\"")).unwrap().1;
            rest.split('"').next().unwrap().to_owned()
        };
        let texts = texts.map(|text| {
            let number = |name| attribute(text, name).parse::<f64>().unwrap();
            let body = text.split_once('>').unwrap().1;
            let letters = body.split('<').next().unwrap().trim().chars().count();
            let width = letters as f64 * number("font-size") * 0.7;
            let begin = match attribute(text, "text-anchor").as_str() {
                "middle" => number("x") - width / 2.0,
                _ => number("x"),
            };
            (begin, begin + width, number("y"))
        });
        texts.collect()
    }

    #[test]
    fn no_words_meet_whatever_the_numbers_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.svg");
        let axis = |ticks: &[f64]| Axis {
            words: "an axis".into(),
            ticks: ticks.to_vec(),
            tick_words: |tick| format!("{tick}"),
            scale: |value| value,
        };
        let axes = [axis(&[0.0, 0.1, 0.2, 10.0, 1000.0]), axis(&[])];
        for values in [
            vec![5.0; 17],
            vec![0.0, 1e6],
            vec![-1.0, 0.0, 1e-9],
            vec![3.0],
        ] {
            let rows = values.iter().map(|value| Row {
                name: "INT8, groups of 128".into(),
                colour: DARK,
                marks: [0, 1].map(|_| Mark::at(*value, "-0.0001 ± 0.0001".into())),
            });
            let title = Words {
                title: "T",
                subtitle: "S",
            };
            draw(&path, &title, &axes, &rows.collect::<Vec<_>>()).unwrap();
            let words = words(&std::fs::read_to_string(&path).unwrap());
            assert!(words.len() >= 4 + 3 * values.len());
            for (index, one) in words.iter().enumerate() {
                assert!(one.0 >= 0.0 && one.1 < f64::from(WIDTH), "{one:?}");
                for other in &words[..index] {
                    let beside = one.1 <= other.0 || other.1 <= one.0;
                    assert!(
                        beside || (one.2 - other.2).abs() >= 12.0,
                        "{one:?} {other:?}"
                    );
                }
            }
        }
    }
}
