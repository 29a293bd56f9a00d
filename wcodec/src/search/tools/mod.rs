//! Whether a part is better coded with tools, and with which: estimates on a few samples first, then the best of them measured
//! on all.

mod estimate;
mod evaluate;
mod numbers;
mod palette;

use super::{Considered, Costed, Decision, Effort, Tool, Verdict, Wanted, in_bits};
use crate::entropy::cost::COST_BITS;
use crate::predict::Predictor;
use crate::samples::{Mapping, Number, SampleForm};
use crate::tools::{Classes, Contexts, ContextsKind, NIBBLE_BITS, Prediction, Tools};
use crate::transform::Transform;
use estimate::Windows;
use evaluate::evaluate;

/// Tools decode slower than plain symbols, so they have to save this fraction (1/n) of the bits.
const TOOLS_WORTH: u64 = 256;

/// Estimates of floats have to promise so much (1/n) to be worth measuring.
const ESTIMATE_WORTH: u64 = 64;

/// A little: this fraction (1/n) of the bits.
const LITTLE: u64 = 32;

/// Parts of fewer samples are many, and what they save is little.
const TINY_SAMPLES: usize = 4096;

/// A way to code a part, before it is measured.
#[derive(Debug, Clone)]
struct Candidate {
    tool: Tool,
    tools: Tools,
    kinds: &'static [ContextsKind],
    /// Cost of a sample, about.
    estimate: u64,
}

/// The best of the ways `plain`, or one with tools that costs less.
pub(super) fn decide<S: Number>(chunks: &[&[u8]], wanted: Wanted, plain: Vec<Costed>) -> Decision {
    let Some(plain_cost) = plain.iter().map(|costed| costed.cost).min() else {
        unreachable!("there is at least one way without tools")
    };
    let num_samples = chunks.iter().map(|raw| raw.len() / S::BYTES).sum::<usize>() as u64;
    let mut not_measured = Vec::new();
    let with_tools: Vec<Costed> = match wanted.only {
        Some(Tool::Split | Tool::Stored | Tool::Packed) => Vec::new(),
        _ => {
            let plain_estimate = plain_cost / num_samples.max(1);
            let (found, left_out) = candidates::<S>(chunks, wanted, plain_estimate);
            not_measured = left_out;
            let measured = found
                .iter()
                .flat_map(|candidate| evaluate::<S>(chunks, candidate, wanted.effort));
            measured.collect()
        }
    };
    let is_worth = |cost: u64| wanted.only.is_some() || cost + cost / TOOLS_WORTH < plain_cost;
    let best_with_tools = with_tools.iter().map(|costed| costed.cost).min();
    let has_tools = best_with_tools.is_some_and(is_worth);
    let best_cost = best_with_tools.filter(|_| has_tools).unwrap_or(plain_cost);
    let num_plain = plain.len();
    let mut taken = None;
    let mut considered = Vec::new();
    for (number, costed) in plain.into_iter().chain(with_tools).enumerate() {
        let is_candidate = has_tools == (number >= num_plain);
        let verdict = if taken.is_none() && is_candidate && costed.cost == best_cost {
            Verdict::Taken
        } else if number >= num_plain && costed.cost < best_cost {
            Verdict::SavesTooLittle
        } else {
            Verdict::CostsMore
        };
        considered.push(costed.considered(verdict));
        if verdict == Verdict::Taken {
            taken = Some(costed.decision);
        }
    }
    considered.extend(
        not_measured
            .iter()
            .map(|candidate| candidate.left_out(num_samples)),
    );
    let Some(decision) = taken else {
        unreachable!("one of them costs least")
    };
    Decision {
        considered,
        ..decision
    }
}

/// What is worth measuring for samples that cost `plain` bits each without tools, and what is not.
fn candidates<S: Number>(
    chunks: &[&[u8]],
    wanted: Wanted,
    plain: u64,
) -> (Vec<Candidate>, Vec<Candidate>) {
    let Wanted { form, only, .. } = wanted;
    let row = row_of::<S>(chunks, wanted.row);
    let windows = Windows::<S>::new(chunks, row);
    let mut found = Vec::new();
    let is_wanted = |tool| only.is_none_or(|only| only == tool);
    if is_wanted(Tool::Palette) && S::BYTES > 1 {
        found.extend(whole_palette(&windows, chunks));
    }
    if is_wanted(Tool::Classes) && form.mapping == Mapping::Float {
        found.extend(float_classes(&windows, form));
    }
    if is_wanted(Tool::Nibbles) && form.mapping != Mapping::Float {
        let tools = Tools {
            unit_bits: NIBBLE_BITS,
            ..plain_tools::<S>(Classes::Values { bits: NIBBLE_BITS })
        };
        found.push(Candidate {
            tool: Tool::Nibbles,
            tools,
            kinds: &[ContextsKind::None],
            estimate: windows.nibbles_cost(),
        });
    }
    found.extend(numbers::candidates(&windows, wanted, row, plain));
    let mut left_out = Vec::new();
    if only.is_none() {
        // Samples without structure come out even, but for chance.
        let chance = match form.mapping {
            Mapping::Float => plain / ESTIMATE_WORTH,
            _ => plain / TOOLS_WORTH,
        };
        found.sort_by_key(|candidate| candidate.estimate);
        let promising = found.partition_point(|candidate| candidate.estimate + chance < plain);
        // Where little is promised, only the best is tried, and plainly.
        let best = found.first_mut();
        let little = best.filter(|best| best.estimate + plain / LITTLE > plain);
        let is_little = little
            .map(|best| best.kinds = &[ContextsKind::None])
            .is_some();
        let most = match wanted.effort {
            Effort::Fast => 1,
            Effort::Default if windows.num_samples < TINY_SAMPLES || is_little => 1,
            Effort::Default => 5,
            Effort::Max => usize::MAX,
        };
        left_out = found.split_off(promising.min(most));
    }
    (found, left_out)
}

/// Units of a row: a chunk's samples where a row is longer or unknown.
fn row_of<S: Number>(chunks: &[&[u8]], row: u64) -> usize {
    let chunk_samples = chunks.first().map_or(1, |raw| raw.len() / S::BYTES).max(1);
    match usize::try_from(row) {
        Ok(row) if row > 0 => row.min(chunk_samples),
        _ => chunk_samples,
    }
}

fn plain_tools<S: Number>(classes: Classes) -> Tools {
    Tools {
        unit_bits: sample_bits::<S>(),
        order: None,
        prediction: Prediction::Whole(Predictor::None),
        transform: Transform::None,
        classes,
        contexts: Contexts::None,
        row: 0,
    }
}

fn sample_bits<S: Number>() -> u8 {
    u8::try_from(S::BITS).unwrap_or(64)
}

impl Candidate {
    /// What is said of it if it was not measured.
    fn left_out(&self, num_samples: u64) -> Considered {
        Considered {
            tool: self.tool,
            how: self.tools.to_string(),
            estimated_bits: Some(in_bits(self.estimate.saturating_mul(num_samples))),
            measured_bits: None,
            verdict: Verdict::NotMeasured,
        }
    }

    fn of_samples<S: Number>(tool: Tool, classes: Classes, estimate: u64) -> Self {
        Self {
            tool,
            tools: plain_tools::<S>(classes),
            kinds: &[ContextsKind::None],
            estimate,
        }
    }
}

/// Every value that occurs, if they are few.
fn whole_palette<S: Number>(windows: &Windows<S>, chunks: &[&[u8]]) -> Option<Candidate> {
    let estimate = windows.classes_cost(&windows.palette()?);
    let samples = chunks.iter().flat_map(|raw| raw.chunks_exact(S::BYTES));
    let values = palette::collect(samples.map(|bytes| S::from_bytes(bytes).widen()))?;
    Some(Candidate::of_samples::<S>(
        Tool::Palette,
        Classes::Palette(values),
        estimate,
    ))
}

/// Zero apart, and short fractions where there are any.
fn float_classes<S: Number>(windows: &Windows<S>, form: SampleForm) -> Vec<Candidate> {
    let fraction_bits = form.fraction_bits;
    let exponent_bits = sample_bits::<S>() - 1 - fraction_bits;
    // What is left of fractions that were those of BF16, F16, FP8 E4M3 or F32 once.
    let short = [7, 10, 3, 23]
        .into_iter()
        .filter(|&bits| bits < fraction_bits);
    let is_zero = |sample: S| sample == S::ZERO;
    let forms = short
        .map(|bits| (fraction_bits - bits, true))
        .filter(|&(zero_bits, _)| {
            let is_short = |sample: S| sample.widen().trailing_zeros() >= u32::from(zero_bits);
            windows.has_some(zero_bits.into(), is_short)
        })
        .chain(
            windows
                .has_some(u32::from(fraction_bits), is_zero)
                .then_some((0, false)),
        );
    let candidate = |(zero_bits, has_full)| {
        let classes = Classes::Float {
            exponent_bits,
            fraction_bits,
            zero_bits,
            has_full,
        };
        let estimate = windows.classes_cost(&classes);
        Candidate::of_samples::<S>(Tool::Classes, classes, estimate)
    };
    let all = forms.map(candidate);
    all.min_by_key(|candidate| candidate.estimate)
        .into_iter()
        .collect()
}

/// A cost of whole bits.
const fn bits(bits: u64) -> u64 {
    bits << COST_BITS
}
