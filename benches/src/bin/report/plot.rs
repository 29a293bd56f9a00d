//! Size against decode speed, one core, as a picture.

mod labels;

use crate::machine::Machine;
use crate::rows::CodecRow;
use labels::Labels;
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::{
    ChartBuilder, Circle, DashedLineSeries, IntoDrawingArea, IntoFont, IntoLogRange, PathElement,
    RGBColor, SVGBackend, ShapeStyle, Text, WHITE,
};
use std::ops::Range;
use std::path::Path;
use wcodec_benches::Format;

const SIZE: (u32, u32) = (960, 620);
const TITLE_HEIGHT: u32 = 66;
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
const DARK: RGBColor = RGBColor(40, 40, 40);
const GREY: RGBColor = RGBColor(140, 140, 140);

/// Who a point belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ours,
    Rust,
    Python,
}

impl Family {
    const ALL: [Self; 3] = [Self::Ours, Self::Rust, Self::Python];

    fn of(row: &CodecRow) -> Self {
        match row.codec.strip_suffix(" (Python)") {
            Some(_) => Self::Python,
            None if row.codec.starts_with("wcodec") => Self::Ours,
            None => Self::Rust,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "wcodec, by SIMD path",
            Self::Rust => "peers, called from Rust",
            Self::Python => "peers, called from Python",
        }
    }

    fn colour(self) -> RGBColor {
        match self {
            Self::Ours => RGBColor(200, 30, 40),
            Self::Rust => RGBColor(30, 90, 170),
            Self::Python => RGBColor(200, 120, 0),
        }
    }
}

/// Draws `format`'s decode speeds on one thread into `file`; false if there are none.
pub(crate) fn draw(
    file: &Path,
    format: Format,
    machine: &Machine,
    rows: &[CodecRow],
) -> anyhow::Result<bool> {
    let dtype = format.to_string();
    let of_plot =
        |row: &&CodecRow| row.dtype == dtype && row.operation == "decode" && row.threads == 1;
    let (copies, points): (Vec<&CodecRow>, Vec<&CodecRow>) = rows
        .iter()
        .filter(of_plot)
        .partition(|row| row.codec.starts_with("memcpy"));
    let (Some(copy), Some(first)) = (copies.first(), points.first()) else {
        return Ok(false);
    };
    let speeds = speeds(points.iter().chain(&copies).map(|row| row.gb_per_s));
    let sizes = sizes(points.iter().map(|row| row.percent_of_raw));

    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(TITLE_HEIGHT);
    let title = format!(
        "{}: size against decode speed, one core",
        dtype.to_uppercase()
    );
    head.draw(&Text::new(
        title,
        (20, 14),
        (FONT, 22).into_font().color(&DARK),
    ))?;
    let input = format!(
        "{}, {:.0} MB · {}, {}",
        first.input,
        first.raw_bytes as f64 / 1e6,
        machine.name,
        machine.date.split('T').next().unwrap_or_default()
    );
    head.draw(&Text::new(
        input,
        (20, 44),
        (FONT, 14).into_font().color(&GREY),
    ))?;

    let mut chart = ChartBuilder::on(&body)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(52)
        .y_label_area_size(70)
        .build_cartesian_2d(speeds.clone().log_scale(), sizes.clone())?;
    chart
        .configure_mesh()
        .x_desc("decode speed, GB/s of decoded bytes (log axis; right is better)")
        .y_desc("size, % of raw (down is better)")
        .x_labels(60) // all digits of every decade
        .x_label_formatter(&|speed| tick(*speed))
        .max_light_lines(1)
        .y_label_formatter(&|size| format!("{size:.0}"))
        .axis_desc_style((FONT, 14).into_font().color(&DARK))
        .label_style((FONT, 13).into_font().color(&DARK))
        .bold_line_style(RGBColor(225, 225, 225))
        .light_line_style(RGBColor(245, 245, 245))
        .draw()?;
    let dashed = ShapeStyle::from(&GREY).stroke_width(2);
    chart
        .draw_series(DashedLineSeries::new(
            [(copy.gb_per_s, sizes.start), (copy.gb_per_s, sizes.end)],
            6,
            5,
            dashed,
        ))?
        .label(format!("memcpy, {:.1} GB/s", copy.gb_per_s))
        .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 14, y)], dashed));
    for family in Family::ALL {
        let own: Vec<_> = points
            .iter()
            .filter(|row| Family::of(row) == family)
            .collect();
        if own.is_empty() {
            continue;
        }
        let colour = family.colour();
        chart
            .draw_series(own.iter().map(|row| {
                Circle::new(
                    (row.gb_per_s, row.percent_of_raw),
                    6,
                    ShapeStyle::from(&colour).filled(),
                )
            }))?
            .label(family.name())
            .legend(move |(x, y)| Circle::new((x + 7, y), 5, ShapeStyle::from(&colour).filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 13).into_font().color(&DARK))
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .draw()?;

    let places = points
        .iter()
        .map(|row| chart.backend_coord(&(row.gb_per_s, row.percent_of_raw)));
    let mut labels = Labels::new(chart.plotting_area().get_pixel_range(), places.clone());
    // The plot's own come first, and get the best places.
    let mut order: Vec<_> = points.iter().zip(places).collect();
    order.sort_by_key(|(row, _)| Family::of(row) != Family::Ours);
    for (row, place) in order {
        let text = row.label().replace(" (Python)", "");
        let style = (FONT, labels::FONT_PIXELS)
            .into_font()
            .color(&Family::of(row).colour());
        root.draw(&Text::new(text.clone(), labels.place(&text, place), style))?;
    }
    root.present()?;
    Ok(true)
}

/// The speed, if it begins with 1, 2 or 5.
fn tick(speed: f64) -> String {
    let decade = 10f64.powf((speed * 1.001).log10().floor());
    let digit = (speed / decade).round();
    if [1.0, 2.0, 5.0].contains(&digit) {
        format!("{}", (speed * 1000.0).round() / 1000.0)
    } else {
        String::new()
    }
}

/// A range of speeds from a power of ten, where the ticks begin, to one with room for labels.
fn speeds(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = values.fold((f64::MAX, 0f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    let decade = 10f64.powf(least.max(1e-3).log10().floor());
    0.99 * decade..most * 1.6 // its tick lies inside, however it is rounded
}

/// A range of sizes on round numbers, with room for labels and the legend.
fn sizes(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = values.fold((f64::MAX, 0f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    ((least - 3.0) / 5.0).floor() * 5.0..((most + 5.0) / 5.0).ceil() * 5.0
}
