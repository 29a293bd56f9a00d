//! What all pictures have in common.

use crate::target::Target;
use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, Text, WHITE,
};
use plotters::style::TextStyle;
use std::path::Path;

pub(super) const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
pub(super) const DARK: RGBColor = RGBColor(40, 40, 40);
pub(super) const GREY: RGBColor = RGBColor(130, 130, 130);
pub(super) const BOLD_LINE: RGBColor = RGBColor(222, 222, 222);
pub(super) const LIGHT_LINE: RGBColor = RGBColor(243, 243, 243);
pub(super) const RED: RGBColor = RGBColor(200, 30, 40);
pub(super) const BLUE: RGBColor = RGBColor(30, 90, 170);
pub(super) const ORANGE: RGBColor = RGBColor(205, 125, 0);
pub(super) const GREEN: RGBColor = RGBColor(30, 130, 70);

const HEAD_PIXELS: u32 = 66;

/// A piece of a picture.
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Title and subtitle of a picture.
pub(super) struct Words<'a> {
    pub(super) title: &'a str,
    pub(super) subtitle: &'a str,
}

/// Writes a white picture with a title. `draw` gets all of it, and what is below the title.
///
/// # Errors
///
/// If the file cannot be written, and whatever `draw` meets.
pub(super) fn picture(
    file: &Path,
    size: (u32, u32),
    words: &Words<'_>,
    draw: impl FnOnce(&Canvas<'_>, &Canvas<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let target = Target::open(file)?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD_PIXELS);
        head.draw(&Text::new(words.title.to_owned(), (20, 14), font(22, DARK)))?;
        head.draw(&Text::new(
            words.subtitle.to_owned(),
            (20, 44),
            font(14, GREY),
        ))?;
        draw(&root, &body)?;
        root.present()?;
    }
    target.write(&svg)
}

/// Letters of so many pixels.
pub(super) fn font(pixels: i32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, pixels).into_font().color(&colour)
}

/// Ticks of a log axis: 1, 2 and 5 in every decade, or every digit where the axis is short.
pub(super) fn ticks(least: f64, most: f64) -> Vec<f64> {
    let digits: &[f64] = match most / least < 20.0 {
        true => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        false => &[1.0, 2.0, 5.0],
    };
    let mut ticks = Vec::new();
    let mut decade = 10f64.powf(least.log10().floor());
    while decade <= most {
        ticks.extend(digits.iter().map(|digit| digit * decade));
        decade *= 10.0;
    }
    ticks.retain(|tick| (least..=most).contains(tick));
    ticks
}

/// A tick's number.
pub(super) fn tick(value: &f64) -> String {
    format!("{}", (value * 1000.0).round() / 1000.0)
}

/// The least and the most of some numbers.
pub(super) fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_inside_their_axis() {
        assert_eq!(ticks(0.08, 9.0), [0.1, 0.2, 0.5, 1.0, 2.0, 5.0]);
        assert_eq!(ticks(6.0, 24.0), [6.0, 8.0, 10.0, 15.0, 20.0]);
        assert_eq!(tick(&0.2), "0.2");
        assert_eq!(bounds([3.0, 1.0, 2.0].into_iter()), (1.0, 3.0));
    }
}
