//! Formats and codecs as points: size against perplexity, size against decode speed.

use super::canvas::{
    BLUE, BOLD_LINE, DARK, GREEN, LIGHT_LINE, ORANGE, RED, bounds, canvas, font, tick, ticks,
};
use super::labels::{Area, FONT_PIXELS, Labels};
use crate::accuracy::AccuracyRow;
use crate::report::machine::Machine;
use crate::size::SizeRow;
use plotters::prelude::{
    BindKeyPoints, ChartBuilder, Circle, IntoLogRange, PathElement, RGBColor, ShapeStyle, Text,
};
use std::path::Path;

const SIZE: (u32, u32) = (960, 620);
/// Formats that cost more of the perplexity would push all others into a corner.
const MOST_LOSS: f64 = 0.06;

/// Draws a model's formats: raw and coded size against perplexity. False if there are none.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn size_against_perplexity(
    file: &Path,
    model: &str,
    rows: &[AccuracyRow],
) -> anyhow::Result<bool> {
    let rows: Vec<&AccuracyRow> = rows.iter().filter(|row| row.model == model).collect();
    let Some(base) = rows.first() else {
        return Ok(false);
    };
    let most = base.quality.perplexity * (1.0 + MOST_LOSS);
    let (shown, left_out): (Vec<&AccuracyRow>, Vec<&AccuracyRow>) =
        rows.iter().partition(|row| row.quality.perplexity <= most);
    let left_out: Vec<String> = left_out
        .iter()
        .map(|row| format!("{} ({:.2})", row.format, row.quality.perplexity))
        .collect();
    let mut subtitle = format!(
        "{} tokens; a line leads from the raw size to the coded one",
        base.quality.tokens
    );
    if !left_out.is_empty() {
        subtitle += &format!("; beyond the top: {}", left_out.join(", "));
    }
    let title = format!("{model}: size against perplexity");
    let (root, body) = canvas(file, SIZE, &title, &subtitle)?;
    let (least, highest) = bounds(shown.iter().map(|row| row.quality.perplexity));
    let room = (highest - least).max(1e-3) * 0.08;
    let mut chart = ChartBuilder::on(&body)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(52)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (2.0..40.0)
                .log_scale()
                .with_key_points(vec![2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0]),
            least - room..highest + room,
        )?;
    chart
        .configure_mesh()
        .x_desc("bits per weight of the whole file (log axis; left is better)")
        .y_desc("perplexity (down is better)")
        .x_labels(40)
        .x_label_formatter(&tick)
        .y_label_formatter(&|perplexity| format!("{perplexity:.2}"))
        .max_light_lines(1)
        .axis_desc_style(font(14, DARK))
        .label_style(font(13, DARK))
        .bold_line_style(BOLD_LINE)
        .light_line_style(LIGHT_LINE)
        .draw()?;
    let colour = |row: &AccuracyRow| match &row.format {
        format if format.starts_with("GGUF") => ORANGE,
        format if format.starts_with("INT") || format.starts_with("FP8") => BLUE,
        _ => RED,
    };
    for row in &shown {
        let colour = colour(row);
        let (raw, coded) = (
            (row.raw_bpw, row.quality.perplexity),
            (row.coded_bpw, row.quality.perplexity),
        );
        chart.draw_series([PathElement::new(
            vec![raw, coded],
            ShapeStyle::from(&colour).stroke_width(2),
        )])?;
        chart.draw_series([Circle::new(
            raw,
            4,
            ShapeStyle::from(&colour).stroke_width(2),
        )])?;
        chart.draw_series([Circle::new(coded, 5, ShapeStyle::from(&colour).filled())])?;
    }
    let place = |bits: f64, row: &AccuracyRow| chart.backend_coord(&(bits, row.quality.perplexity));
    let places: Vec<(i32, i32)> = shown.iter().map(|row| place(row.coded_bpw, row)).collect();
    let raws = shown.iter().zip(&places).map(|(row, &(coded, y))| Area {
        left: coded,
        top: y - 6,
        right: place(row.raw_bpw, row).0 + 6,
        bottom: y + 6,
    });
    let mut labels = Labels::new(
        plot_of(chart.plotting_area().get_pixel_range()),
        &places,
        &raws.collect::<Vec<_>>(),
    );
    for (row, place) in shown.iter().zip(&places) {
        let corner = labels.place(&row.format, *place);
        root.draw(&Text::new(
            row.format.clone(),
            corner,
            font(FONT_PIXELS, colour(row)),
        ))?;
    }
    root.present()?;
    Ok(true)
}

/// Draws the codecs of a whole file: size against decode speed. False if there are none.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn size_against_speed(
    file: &Path,
    row: &SizeRow,
    machine: &Machine,
) -> anyhow::Result<bool> {
    let codecs: Vec<(&str, f64, f64)> = row
        .codecs
        .iter()
        .filter_map(|codec| {
            Some((
                codec.codec.as_str(),
                codec.decode_gb_per_s?,
                row.percent(codec.bytes),
            ))
        })
        .collect();
    if codecs.len() < 2 {
        return Ok(false);
    }
    let title = format!(
        "{}, {}: size against decode speed, one core",
        row.model, row.format
    );
    let subtitle = format!(
        "{:.1} MB, {}, {}",
        row.raw_bytes as f64 / 1e6,
        machine.name,
        machine.day()
    );
    let (root, body) = canvas(file, SIZE, &title, &subtitle)?;
    let (slowest, fastest) = bounds(codecs.iter().map(|(_, speed, _)| *speed));
    let (least, most) = bounds(codecs.iter().map(|(_, _, percent)| *percent));
    let (from, to) = (slowest * 0.6, fastest * 2.0);
    let sizes = ((least - 3.0) / 5.0).floor() * 5.0..((most + 3.0) / 5.0).ceil() * 5.0;
    let mut chart = ChartBuilder::on(&body)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(52)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (from..to).log_scale().with_key_points(ticks(from, to)),
            sizes,
        )?;
    chart
        .configure_mesh()
        .x_desc("decode speed, GB/s of decoded bytes (log axis; right is better)")
        .y_desc("size, % of raw (down is better)")
        .x_labels(60)
        .x_label_formatter(&tick)
        .y_label_formatter(&|size| format!("{size:.0}"))
        .max_light_lines(1)
        .axis_desc_style(font(14, DARK))
        .label_style(font(13, DARK))
        .bold_line_style(BOLD_LINE)
        .light_line_style(LIGHT_LINE)
        .draw()?;
    let colour = |name: &str| -> RGBColor {
        match name {
            "wcodec" => RED,
            "pco" => GREEN,
            _ => BLUE,
        }
    };
    let mut places = Vec::new();
    for (name, speed, percent) in &codecs {
        chart.draw_series([Circle::new(
            (*speed, *percent),
            6,
            ShapeStyle::from(&colour(name)).filled(),
        )])?;
        places.push(chart.backend_coord(&(*speed, *percent)));
    }
    let mut labels = Labels::new(
        plot_of(chart.plotting_area().get_pixel_range()),
        &places,
        &[],
    );
    for ((name, _, percent), place) in codecs.iter().zip(&places) {
        let text = format!("{name}, {percent:.1} %");
        let corner = labels.place(&text, *place);
        root.draw(&Text::new(text, corner, font(FONT_PIXELS, colour(name))))?;
    }
    root.present()?;
    Ok(true)
}

fn plot_of((xs, ys): (std::ops::Range<i32>, std::ops::Range<i32>)) -> Area {
    Area {
        left: xs.start,
        top: ys.start,
        right: xs.end,
        bottom: ys.end,
    }
}
