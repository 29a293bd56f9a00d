//! Formats and codecs, a row each: size beside perplexity, size beside decode speed.

use super::canvas::Words;
use super::canvas::{BLUE, GREEN, ORANGE, RED, bounds, tick, ticks};
use super::panels::{Axis, Mark, Row, draw};
use crate::accuracy::AccuracyRow;
use crate::report::machine::Machine;
use crate::size::{RUNS, SizeRow};
use std::path::Path;

/// Differences of perplexities below this one stand on an even axis, larger ones on a logarithmic one.
const EVEN_BELOW: f64 = 0.002;

/// Draws a model's formats, largest first: raw and coded size, and what the format costs. False if there are none.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn size_against_perplexity(
    file: &Path,
    model: &str,
    rows: &[AccuracyRow],
) -> anyhow::Result<bool> {
    let mut own: Vec<&AccuracyRow> = rows.iter().filter(|row| row.model == model).collect();
    let Some(base) = own.first().copied() else {
        return Ok(false);
    };
    own.sort_by(|a, b| b.bpw().1.total_cmp(&a.bpw().1));
    let drawn: Vec<Row> = own.iter().map(|row| format_row(row)).collect();
    let axes = [
        Axis {
            words: "bits per weight, raw to coded (log axis; left is better)".to_owned(),
            ticks: vec![2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0],
            tick_words: |bits| tick(&bits),
            scale: f64::ln,
        },
        Axis {
            words: "difference in perplexity (left is better)".to_owned(),
            ticks: vec![
                -100.0, -10.0, -1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0,
            ],
            tick_words: |difference| match difference {
                0.0 => "0".to_owned(),
                difference => format!("{difference:+}"),
            },
            scale: |difference| (difference / EVEN_BELOW).asinh(),
        },
    ];
    let words = Words {
        title: &format!("{model}: size against perplexity"),
        subtitle: &format!(
            "perplexity {:.4} as {}, {} tokens; hollow: raw, full: coded; differences with their standard errors, on \
                an axis \
             that is logarithmic away from 0",
            base.quality.perplexity, base.format, base.quality.tokens
        ),
    };
    draw(file, &words, &axes, &drawn)?;
    Ok(true)
}

fn format_row(row: &AccuracyRow) -> Row {
    let (from, to) = row.bpw();
    let difference = row.difference.perplexity;
    let size = Mark {
        from,
        ..Mark::at(to, format!("{from:.2} to {to:.2}"))
    };
    let words = match row.difference.is_none() {
        true => "0".to_owned(),
        false => format!("{:+.4} ± {:.4}", difference.value, difference.error),
    };
    let cost = Mark {
        error: difference.error,
        ..Mark::at(difference.value, words)
    };
    Row {
        name: row.format.clone(),
        colour: match &row.format {
            format if format.starts_with("GGUF") => ORANGE,
            format if format.starts_with("INT") || format.starts_with("FP8") => BLUE,
            _ => RED,
        },
        marks: [size, cost],
    }
}

/// Draws the codecs of a whole file, smallest size first: size and decode speed. False if there are none.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn size_against_speed(
    file: &Path,
    row: &SizeRow,
    machine: &Machine,
) -> anyhow::Result<bool> {
    let timed = row.codecs.iter().filter_map(|codec| {
        let speed = codec.decode_gb_per_s?;
        Some((codec.codec.as_str(), row.percent(codec.coded_bytes), speed))
    });
    let mut codecs: Vec<(&str, f64, f64)> = timed.collect();
    if codecs.len() < 2 {
        return Ok(false);
    }
    codecs.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (slowest, fastest) = bounds(codecs.iter().map(|(_, _, speed)| *speed));
    let drawn = codecs.iter().map(|&(name, percent, speed)| Row {
        name: name.to_owned(),
        colour: match name {
            "wcodec" => RED,
            "pco" => GREEN,
            _ => BLUE,
        },
        marks: [
            Mark::at(percent, format!("{percent:.1} %")),
            Mark::at(speed, format!("{speed:.3} GB/s")),
        ],
    });
    let axes = [
        Axis {
            words: "size, % of raw (left is better)".to_owned(),
            ticks: (0..=40).map(|step| f64::from(step) * 5.0).collect(),
            tick_words: |percent| tick(&percent),
            scale: |percent| percent,
        },
        Axis {
            words: "decoded GB/s, one thread (log axis; right is better)".to_owned(),
            ticks: ticks(slowest * 0.5, fastest * 2.0),
            tick_words: |speed| tick(&speed),
            scale: f64::ln,
        },
    ];
    let words = Words {
        title: &format!("{}, {}: size against decode speed", row.model, row.format),
        subtitle: &format!(
            "{:.1} MB into memory that was written to before, best of {RUNS}, one thread for all; {}, {}",
            row.raw_bytes as f64 / 1e6,
            machine.name,
            machine.day()
        ),
    };
    draw(file, &words, &axes, &drawn.collect::<Vec<_>>())?;
    Ok(true)
}
