//! Time to the first token by the storage's speed.

use super::canvas::{
    BLUE, BOLD_LINE, Canvas, DARK, GREEN, LIGHT_LINE, ORANGE, RED, Words, bounds, font, picture,
    tick, ticks,
};
use crate::load::{LoadRow, Loader, Storage};
use crate::report::machine::Machine;
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::{
    BindKeyPoints, ChartBuilder, Circle, IntoLogRange, LineSeries, PathElement, RGBColor,
    ShapeStyle, WHITE,
};
use std::path::Path;

const SIZE: (u32, u32) = (960, 620);

/// A loader's colour on every picture.
pub(super) fn colour(loader: Loader) -> RGBColor {
    match loader {
        Loader::Candle => GREEN,
        Loader::Pread => BLUE,
        Loader::Zstd => ORANGE,
        Loader::Wcodec => RED,
    }
}

/// A loader's throttled loads of a model: the storage's speed, seconds to the first token.
fn points(rows: &[LoadRow], model: &str, loader: Loader) -> Vec<(f64, f64)> {
    let own = rows
        .iter()
        .filter(|row| row.model == model && row.loader == loader);
    let throttled = own.filter_map(|row| match row.storage {
        Storage::Throttled(speed) => Some((speed, row.first_token.median)),
        _ => None,
    });
    let mut points: Vec<(f64, f64)> = throttled.collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// Draws a model's throttled loads. False if there are none.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn by_storage(
    file: &Path,
    model: &str,
    rows: &[LoadRow],
    machine: &Machine,
) -> anyhow::Result<bool> {
    let points = |loader: Loader| points(rows, model, loader);
    let all: Vec<(f64, f64)> = Loader::ALL.into_iter().flat_map(points).collect();
    let Some(first) = rows
        .iter()
        .find(|row| row.model == model && !all.is_empty())
    else {
        return Ok(false);
    };
    let title = format!("{model}: time to the first token by speed of the storage");
    let subtitle = format!(
        "as {}, medians of {} runs, the storage slowed down by a token bucket; {}, {}",
        first.dtype,
        first.runs,
        machine.name,
        machine.day()
    );
    let words = Words {
        title: &title,
        subtitle: &subtitle,
    };
    picture(file, SIZE, &words, |_, body| {
        draw(body, &Loader::ALL.map(|loader| (loader, points(loader))))
    })?;
    Ok(true)
}

/// A line for each loader that has points.
fn draw(body: &Canvas<'_>, lines: &[(Loader, Vec<(f64, f64)>)]) -> anyhow::Result<()> {
    let all = || lines.iter().flat_map(|(_, points)| points);
    let (slowest, fastest) = bounds(all().map(|(speed, _)| *speed));
    let (least, most) = bounds(all().map(|(_, seconds)| *seconds));
    let (xs, ys) = (slowest * 0.8..fastest * 1.25, least * 0.7..most * 1.4);
    let mut chart = ChartBuilder::on(body)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(52)
        .y_label_area_size(78)
        .build_cartesian_2d(
            xs.clone()
                .log_scale()
                .with_key_points(ticks(xs.start, xs.end)),
            ys.clone()
                .log_scale()
                .with_key_points(ticks(ys.start, ys.end)),
        )?;
    chart
        .configure_mesh()
        .x_desc("speed of the storage, GB/s (log axis)")
        .y_desc("seconds to the first token (log axis; down is better)")
        .x_labels(40)
        .y_labels(40)
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .max_light_lines(1)
        .axis_desc_style(font(14, DARK))
        .label_style(font(13, DARK))
        .bold_line_style(BOLD_LINE)
        .light_line_style(LIGHT_LINE)
        .draw()?;
    for (loader, own) in lines.iter().filter(|(_, points)| !points.is_empty()) {
        let colour = colour(*loader);
        let style = ShapeStyle::from(&colour).stroke_width(3);
        chart
            .draw_series(LineSeries::new(own.clone(), style))?
            .label(loader.words())
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        chart.draw_series(
            own.iter()
                .map(|point| Circle::new(*point, 5, ShapeStyle::from(&colour).filled())),
        )?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(font(14, DARK))
        .background_style(WHITE)
        .border_style(BOLD_LINE)
        .draw()?;
    Ok(())
}
