//! Load timelines, one below the other.

use super::canvas::{
    BLUE, BOLD_LINE, Canvas, DARK, GREEN, GREY, LIGHT_LINE, ORANGE, RED, Words, font, picture,
};
use crate::load::{Span, Stage, Timeline};
use crate::report::machine::Machine;
use plotters::prelude::{ChartBuilder, Color, RGBColor, Rectangle, ShapeStyle, Text};
use std::path::Path;

const WIDTH: u32 = 1100;
const LANE_PIXELS: u32 = 26;
const LEFT: u32 = 250;
/// How opaque work is that one thread does without a break; what several do at a time is darker.
const OPACITY: f64 = 0.6;

fn colour(stage: Stage) -> RGBColor {
    match stage {
        Stage::Open => GREY,
        Stage::Read => BLUE,
        Stage::Copy => ORANGE,
        Stage::Decode => RED,
        Stage::Build => RGBColor(120, 90, 160),
        Stage::FirstToken => GREEN,
    }
}

/// One lane: its name, and the work in it.
struct Lane {
    name: String,
    spans: Vec<Span>,
}

/// The lanes of one load: a stage each, but the model's own three together. A lane more between two loads.
fn lanes(timeline: &Timeline) -> Vec<Lane> {
    let lane = |words: &str, stages: &[Stage]| {
        let own = timeline.spans.iter();
        let spans: Vec<Span> = own
            .filter(|span| stages.contains(&span.stage))
            .cloned()
            .collect();
        let seconds: f64 = spans.iter().map(Span::busy_seconds).sum();
        let name = format!("{}: {words}, {seconds:.3} s", timeline.loader.words());
        Lane { name, spans }
    };
    let lanes = [
        lane("read", &[Stage::Read]),
        lane("decode", &[Stage::Decode]),
        lane("copy", &[Stage::Copy]),
        lane("model", &[Stage::Open, Stage::Build, Stage::FirstToken]),
    ];
    let between = Lane {
        name: String::new(),
        spans: Vec::new(),
    };
    let lanes = lanes.into_iter().filter(|lane| !lane.spans.is_empty());
    lanes.chain([between]).collect()
}

/// Draws the timelines, which are of one model, below each other. False if there are none.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn timeline(
    file: &Path,
    timelines: &[&Timeline],
    machine: &Machine,
) -> anyhow::Result<bool> {
    let mut lanes: Vec<Lane> = timelines
        .iter()
        .flat_map(|timeline| lanes(timeline))
        .collect();
    let Some(first) = timelines.first().filter(|_| lanes.pop().is_some()) else {
        return Ok(false);
    };
    let mut places: Vec<String> = timelines.iter().map(|load| load.storage_words()).collect();
    places.dedup();
    let title = format!(
        "{}, {}: what a load does when",
        first.model,
        places.join(", ")
    );
    let subtitle = format!(
        "one load each; paler where threads idle between pieces, darker where several work; seconds are those of all \
         threads, build waits, too; {}, {}",
        machine.name,
        machine.day()
    );
    let height = 66 + 26 + u32::try_from(lanes.len())? * LANE_PIXELS + 70;
    let words = Words {
        title: &title,
        subtitle: &subtitle,
    };
    picture(file, (WIDTH, height), &words, |root, body| {
        let (head, body) = body.split_vertically(26);
        legend(&head)?;
        draw(root, &body, &lanes)
    })?;
    Ok(true)
}

/// Every stage's colour.
fn legend(head: &Canvas<'_>) -> anyhow::Result<()> {
    let mut x = i32::try_from(LEFT)?;
    for stage in Stage::ALL {
        let square = [(x, 4), (x + 14, 18)];
        let style = ShapeStyle::from(&colour(stage)).filled();
        head.draw(&Rectangle::new(square, style))?;
        head.draw(&Text::new(stage.words(), (x + 20, 4), font(14, DARK)))?;
        x += 40 + i32::try_from(stage.words().len())? * 9;
    }
    Ok(())
}

/// The lanes above an axis of seconds.
fn draw(root: &Canvas<'_>, body: &Canvas<'_>, lanes: &[Lane]) -> anyhow::Result<()> {
    let spans = lanes.iter().flat_map(|lane| &lane.spans);
    let end = spans.map(|span| span.end).fold(0.0, f64::max);
    let count = u32::try_from(lanes.len())?;
    let mut chart = ChartBuilder::on(body)
        .margin(6)
        .margin_right(24)
        .x_label_area_size(48)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..end * 1.01, 0.0..f64::from(count))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc("seconds from the start")
        .x_labels(12)
        .max_light_lines(1)
        .axis_desc_style(font(14, DARK))
        .label_style(font(13, DARK))
        .bold_line_style(BOLD_LINE)
        .light_line_style(LIGHT_LINE)
        .draw()?;
    for (index, lane) in (0..count).zip(lanes) {
        let top = f64::from(count - index);
        chart.draw_series(lane.spans.iter().map(|span| {
            let style = ShapeStyle::from(&colour(span.stage).mix(opacity(span))).filled();
            Rectangle::new([(span.begin, top - 0.12), (span.end, top - 0.88)], style)
        }))?;
        let (_, y) = chart.backend_coord(&(0.0, top - 0.5));
        root.draw(&Text::new(lane.name.clone(), (14, y - 7), font(13, DARK)))?;
    }
    Ok(())
}

/// As opaque as it is busy.
fn opacity(span: &Span) -> f64 {
    match span.stage {
        Stage::FirstToken => 1.0,
        _ => OPACITY * span.busy_share(),
    }
}
