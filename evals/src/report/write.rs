//! The page and the plots, from the parts' files.

use super::machine::Machine;
use super::page::{Block, Page};
use super::parts::{Loads, Part, PerplexityRow};
use super::plots;
use crate::accuracy::{self, AccuracyRow};
use crate::baseline::Baseline;
use crate::load::{self, Timeline};
use crate::size::{self, SizeRow, WHOLE};
use crate::table::{Align, Grid};
use anyhow::Context;
use std::path::Path;

/// Writes report.md, report.html and the plots of a results folder, and a trace if asked for.
///
/// # Errors
///
/// If a part's file cannot be read, or nothing can be written.
pub(crate) fn page(output: &Path, trace: Option<&Path>) -> anyhow::Result<()> {
    let mut blocks = Vec::new();
    let mut machine: Option<Machine> = None;
    if let Some(part) = Part::Perplexity.read::<Vec<PerplexityRow>>(output)? {
        blocks.extend(perplexity(&part.results, &part.machine));
        machine.get_or_insert(part.machine);
    }
    if let Some(part) = Part::Accuracy.read::<Vec<AccuracyRow>>(output)? {
        blocks.extend(accuracy_blocks(&part.results, &part.machine, output)?);
        machine.get_or_insert(part.machine);
    }
    if let Some(part) = Part::Size.read::<Vec<SizeRow>>(output)? {
        blocks.extend(sizes(&part.results, &part.machine, output)?);
        machine.get_or_insert(part.machine);
    }
    if let Some(part) = Part::Load.read::<Loads>(output)? {
        blocks.extend(loads(&part.results, &part.machine, output)?);
        if let Some(path) = trace {
            let text = load::trace_json(&part.results.timelines).to_string();
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        machine.get_or_insert(part.machine);
    }
    for part in [Part::Baseline, Part::Baseline7b] {
        if let Some(part) = part.read::<Baseline>(output)? {
            let title = format!("Baseline: {}", part.results.model);
            blocks.extend([
                Block::Heading(title),
                words(&part.machine, &part.results.title()),
                Block::Table(part.results.grid()),
            ]);
            machine.get_or_insert(part.machine);
        }
    }
    let name = machine.map_or_else(|| "nothing yet".to_owned(), |machine| machine.name);
    let page = Page {
        title: format!("WCodec evaluated: {name}"),
        blocks,
    };
    std::fs::write(output.join("report.md"), page.markdown())?;
    std::fs::write(output.join("report.html"), page.html())?;
    Ok(())
}

/// What a part is of.
fn words(machine: &Machine, text: &str) -> Block {
    Block::Text(format!("{text}. {}.", machine.line()))
}

fn perplexity(rows: &[PerplexityRow], machine: &Machine) -> Vec<Block> {
    use Align::{Left, Right};
    let mut grid = Grid::new(&[
        ("model", Left),
        ("stored", Left),
        ("computed", Left),
        ("tokens", Right),
        ("perplexity", Right),
        ("as .wcodec", Right),
        ("difference", Right),
        ("largest logit difference", Right),
        ("logits", Left),
    ]);
    for row in rows {
        let outcome = &row.outcome;
        let (Some(second), Some(difference)) = (&outcome.quality_against, &outcome.difference)
        else {
            continue;
        };
        grid.row([
            row.model.clone(),
            row.stored.clone(),
            outcome.dtype.to_string(),
            outcome.quality.tokens.to_string(),
            format!("{:.4}", outcome.quality.perplexity),
            format!("{:.4}", second.perplexity),
            if difference.is_none() {
                "0".to_owned()
            } else {
                format!("{:+.3e}", difference.perplexity.value)
            },
            difference.largest_logit_difference.to_string(),
            if difference.logits_equal {
                "the same bits"
            } else {
                "DIFFERENT"
            }
            .to_owned(),
        ]);
    }
    let text = "The last 60 stories of the text, the first 256 tokens of each, every token but the first predicted; safetensors and the \
                .wcodec file of it, on the same tokens. Perplexities of different vocabularies cannot be compared";
    vec![
        Block::Heading("Is it the same model".into()),
        words(machine, text),
        Block::Table(grid),
    ]
}

fn accuracy_blocks(
    rows: &[AccuracyRow],
    machine: &Machine,
    output: &Path,
) -> anyhow::Result<Vec<Block>> {
    let text = "Perplexity, accuracy and Kullback-Leibler divergence beside F32, differences token by token with their standard errors. \
                Matrices are quantised, norms stay F32. INT and FP8 formats run as what their codes and F16 scales stand for, GGUF \
                formats as candle runs them, which also quantises activations. Coded: the safetensors file through wcodec; of GGUF, the \
                fields of its blocks as tensors of their own. What coding saves costs nothing: it is lossless";
    let mut blocks = vec![
        Block::Heading("What quantising costs, and coding saves".into()),
        words(machine, text),
        Block::Table(accuracy::grid(rows)),
    ];
    let mut models: Vec<&str> = rows.iter().map(|row| row.model.as_str()).collect();
    models.dedup();
    for model in models {
        let file = format!("size-perplexity-{model}.svg");
        if plots::size_against_perplexity(&output.join(&file), model, rows)? {
            blocks.push(Block::Picture(
                file,
                format!("{model}: size against perplexity"),
            ));
        }
    }
    Ok(blocks)
}

fn sizes(rows: &[SizeRow], machine: &Machine, output: &Path) -> anyhow::Result<Vec<Block>> {
    let text = "Bits per weight of whole files, of wcodec with headers, index and checksums, of the others one stream over all tensors \
                (pco: one a tensor); the last column is wcodec's ratio. Per-row INT8 and grouped INT4 leave little to any lossless codec";
    let mut blocks = vec![
        Block::Heading("How much smaller".into()),
        words(machine, text),
        Block::Table(size::codecs(rows, true)),
        Block::Text(
            "By tensor class, without headers; scales are counted over all weights of the file."
                .into(),
        ),
        Block::Table(size::codecs(rows, false)),
    ];
    for row in rows
        .iter()
        .filter(|row| row.class == WHOLE && row.format == "BF16")
    {
        let file = format!("size-speed-{}-bf16.svg", row.model);
        if plots::size_against_speed(&output.join(&file), row, machine)? {
            blocks.push(Block::Picture(
                file,
                format!("{}: size against decode speed", row.model),
            ));
        }
    }
    Ok(blocks)
}

fn loads(loads: &Loads, machine: &Machine, output: &Path) -> anyhow::Result<Vec<Block>> {
    let text = "Seconds in a fresh process from opening the file to the first token behind a prompt of 8, medians; `x pread` is how often as \
                fast as the strongest uncompressed loader: below 1 it loses. `candle mmap` is `from_mmaped_safetensors`; `parallel pread` \
                reads ahead with every thread and casts in the same pass; zstd is the same over frames of 4 MiB; all gave the same \
                logits, bit for bit. Rows of so many GB/s are of simulated storage: files in the page cache, given out by one token \
                bucket that all files and threads of a load share, in the order of asking, without latency; each loader waits for \
                every byte of its own files once. A memory map's page faults cannot be slowed down: candle gets each tensor when its \
                bytes have come through the bucket, asked for when candle asks for it, which is what read-ahead within a tensor gives \
                at best. Whether files were in the page cache, or out of it, was looked up before each run; a row says so where they \
                were not. Peak memory counts mapped files. On the CPU every tensor is decoded when the model is built";
    let mut blocks = vec![
        Block::Heading("How much sooner".into()),
        words(machine, text),
        Block::Table(load::grid(&loads.rows)),
        Block::Text(format!(
            "Cold files left the page cache by {}. {}",
            load::evictions(&loads.rows),
            load::verdict(&loads.rows)
        )),
    ];
    let mut models: Vec<&str> = loads.rows.iter().map(|row| row.model.as_str()).collect();
    models.dedup();
    for model in models {
        let slug = model.replace([' ', '.'], "-");
        let file = format!("storage-{slug}.svg");
        if plots::by_storage(&output.join(&file), model, &loads.rows, machine)? {
            blocks.push(Block::Picture(
                file,
                format!("{model}: time to the first token by speed of the storage"),
            ));
        }
        let timelines: Vec<&Timeline> = loads
            .timelines
            .iter()
            .filter(|timeline| timeline.model == model)
            .collect();
        let file = format!("timeline-{slug}.svg");
        if plots::timeline(&output.join(&file), &timelines, machine)? {
            blocks.push(Block::Picture(
                file,
                format!("{model}: what a load does when"),
            ));
        }
    }
    Ok(blocks)
}
