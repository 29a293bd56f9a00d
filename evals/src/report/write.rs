//! The page and the plots, from the parts' files.

use super::machine::Machine;
use super::origins;
use super::page::{Block, Page};
use super::parts::{HALF_TOKENS, Loads, Part, PerplexityRow, QUICK_TOKENS};
use super::plots;
use crate::accuracy::{self, AccuracyRow, TEXT};
use crate::baseline::Baseline;
use crate::device::DtypeArg;
use crate::load::{self, Timeline};
use crate::origin::Origin;
use crate::size::{self, SizeRow, WHOLE};
use crate::table::{Align, Grid};
use crate::target::Target;
use std::path::Path;

/// Writes report.md, report.html and the plots of a results folder, and a trace if asked for.
///
/// # Errors
///
/// If a part's file cannot be read, or nothing can be written.
pub(crate) fn page(output: &Path, trace: Option<&Path>) -> anyhow::Result<()> {
    let mut blocks = Vec::new();
    let mut origins: Vec<(Part, Origin)> = Vec::new();
    if let Some(part) = Part::Perplexity.read::<Vec<PerplexityRow>>(output)? {
        blocks.extend(perplexity(&part.results, &part.origin.machine));
        origins.push((Part::Perplexity, part.origin));
    }
    if let Some(part) = Part::Accuracy.read::<Vec<AccuracyRow>>(output)? {
        blocks.extend(accuracy_blocks(
            &part.results,
            &part.origin.machine,
            output,
        )?);
        origins.push((Part::Accuracy, part.origin));
    }
    if let Some(part) = Part::Size.read::<Vec<SizeRow>>(output)? {
        blocks.extend(sizes(&part.results, &part.origin.machine, output)?);
        origins.push((Part::Size, part.origin));
    }
    if let Some(part) = Part::Load.read::<Loads>(output)? {
        blocks.extend(loads(&part.results, &part.origin.machine, output)?);
        if let Some(path) = trace {
            Target::open(path)?.write(&load::trace_json(&part.results.timelines).to_string())?;
        }
        origins.push((Part::Load, part.origin));
    }
    for part in [Part::Baseline, Part::Baseline7b] {
        if let Some(measured) = part.read::<Baseline>(output)? {
            blocks.extend(baseline(&measured.results, &measured.origin.machine));
            origins.push((part, measured.origin));
        }
    }
    let name = origins.first().map(|(_, origin)| &origin.machine.name);
    let name = name.map_or("nothing yet", String::as_str);
    let page = Page {
        title: format!("WCodec evaluated: {name}"),
        blocks: [blocks, origins::blocks(&origins)].concat(),
    };
    Target::open(&output.join("report.md"))?.write(&page.markdown())?;
    Target::open(&output.join("report.html"))?.write(&page.html())
}

/// What a part is of.
fn words(machine: &Machine, text: &str) -> Block {
    let busy = machine.load_average.map_or_else(String::new, |load| {
        format!(" (load average before it: {load:.2})")
    });
    Block::Text(format!("{text}. Measured on {}{busy}.", machine.day()))
}

fn baseline(baseline: &Baseline, machine: &Machine) -> Vec<Block> {
    let text = format!(
        "{}. Weights are drawn with the scales and tails of real ones, so sizes are near those of real checkpoints. \
         Decoding is into memory that was written to before, used again and again",
        baseline.title()
    );
    vec![
        Block::Heading(format!("Baseline: {}", baseline.model)),
        words(machine, &text),
        Block::Table(baseline.grid()),
    ]
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
    let text = format!(
        "Llamas predict a text twice, out of safetensors and out of the .wcodec file of it, token by token. The text \
         is the last 60 stories of `{TEXT}` (held out when `tinystories-3m` and `stories7m` were trained), each on \
         its own, its first 256 tokens; every token but the first is predicted{}. `stored` is the dtype in the file, \
         `computed` that of the forward pass. The last column compares every logit at every position. Perplexities of \
         models with different vocabularies cannot be compared",
        limit(rows)
    );
    vec![
        Block::Heading("Is it the same model".into()),
        words(machine, &text),
        Block::Table(grid),
    ]
}

/// What the predicted tokens were limited to, if they were.
fn limit(rows: &[PerplexityRow]) -> String {
    let is_half = |row: &PerplexityRow| row.outcome.dtype != DtypeArg::F32;
    let most = rows.iter().map(|row| row.outcome.quality.tokens).max();
    if most.is_some_and(|most| most <= QUICK_TOKENS) {
        format!(", up to {QUICK_TOKENS} in all")
    } else if rows.iter().any(is_half) {
        format!(", computed in BF16 and F16, slow on a CPU, up to {HALF_TOKENS} in all")
    } else {
        String::new()
    }
}

fn accuracy_blocks(
    rows: &[AccuracyRow],
    machine: &Machine,
    output: &Path,
) -> anyhow::Result<Vec<Block>> {
    let text = format!(
        "The same text, predicted by each model in F32 and in other formats. {} INT and FP8 formats run as what \
         their codes and F16 scales stand for; GGUF formats run as candle runs them, which also quantises \
         activations. b/w are bits per weight of whole files; coded is the safetensors file through wcodec, of GGUF \
         the fields of its blocks as tensors of their own. Difference, top-1 and KL (Kullback-Leibler divergence of \
         the next token's distribution) are to F32, token by token; a difference below twice its standard error says \
         nothing. K-quants need rows of a multiple of 256 weights and are left out where there are none. What coding \
         saves costs nothing: it is lossless",
        size::QUANTISED
    );
    let mut blocks = vec![
        Block::Heading("What quantising costs, and coding saves".into()),
        words(machine, &text),
        Block::Table(accuracy::grid(rows)),
    ];
    let mut models: Vec<&str> = rows.iter().map(|row| row.model.as_str()).collect();
    models.dedup();
    for model in models {
        let file = format!("size-perplexity-{model}.svg");
        if plots::size_against_perplexity(&output.join(&file), model, rows)? {
            blocks.push(Block::Picture(
                file,
                format!(
                    "{model}, format by format: bits per weight raw and coded beside the difference in perplexity to \
                     F32, the numbers of the table above"
                ),
            ));
        }
    }
    Ok(blocks)
}

fn sizes(rows: &[SizeRow], machine: &Machine, output: &Path) -> anyhow::Result<Vec<Block>> {
    let text = format!(
        "{} {} Lossless codecs get little out of INT8 with a scale for each row: its quantiser has used up most of \
         what there was",
        size::CODECS,
        size::QUANTISED
    );
    let speeds = format!(
        "GB/s of decoded bytes, whole files: every codec with one thread, from memory into memory that was written \
         to before, the best of {}.",
        size::RUNS
    );
    let classes = "Bits per weight by tensor class, without headers; scales are counted over all weights of the file.";
    let mut blocks = vec![
        Block::Heading("How much smaller".into()),
        words(machine, &text),
        Block::Table(size::codecs(rows, true)),
        Block::Text(speeds),
        Block::Table(size::speeds(rows)),
        Block::Text(classes.into()),
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
                format!(
                    "{} as {}, codec by codec: size in per cent of raw beside decode speed with one thread, the \
                     numbers of the tables above",
                    row.model, row.format
                ),
            ));
        }
    }
    Ok(blocks)
}

fn loads(loads: &Loads, machine: &Machine, output: &Path) -> anyhow::Result<Vec<Block>> {
    let text = "Seconds in a fresh process from opening the file to the first token behind a prompt of 8, medians; `x \
         pread` is how often as fast as the strongest uncompressed loader: below 1 it loses. `candle mmap` is \
         `from_mmaped_safetensors`; `parallel pread` reads ahead with every thread and casts in the same pass; zstd \
         is the same over frames of 4 MiB; all gave the same logits, bit for bit. Rows of so many GB/s are of \
         simulated storage: files in the page cache, given out by one token bucket that all files and threads of a \
         load share, in the order of asking, without latency; each loader waits for every byte that it needs of \
         its own files, once. A memory map's page faults cannot be slowed down: candle gets each tensor when its \
         bytes have come through the bucket, asked for when candle asks for it, which is what read-ahead within a \
         tensor gives at best. Whether files were in the page cache, or out of it, was looked up before each run; a \
         row says so where they were not. Peak memory counts mapped files. On the CPU every tensor is decoded when \
         the model is built";
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
