//! Whether a part is better coded with tools, and with which: estimates on a few samples first, then the best of them
//! measured on all.

mod estimate;
mod evaluate;
mod numbers;
mod palette;

use super::{Considered, Costed, Decision, Effort, Tool, Verdict, Wanted, in_bits};
use crate::entropy::cost::COST_BITS;
use crate::predict::{Predictor, Recurrence};
use crate::samples::{Mapping, Number, Order, SampleForm, Split};
use crate::tools::{Classes, Contexts, ContextsKind, NIBBLE_BITS, Prediction, Tools};
use crate::transform::Transform;
use estimate::{Extent, Windows};
use evaluate::evaluate;

/// Tools decode slower than plain symbols, so they have to save this fraction (1/n) of the bits.
const TOOLS_WORTH: u64 = 256;

/// Estimates of floats have to promise so much (1/n) to be worth measuring.
const ESTIMATE_WORTH: u64 = 64;

/// A little: this fraction (1/n) of the bits.
const LITTLE: u64 = 32;

/// Parts of fewer samples are many, and what they save is little.
const TINY_SAMPLES: usize = 4096;

/// The best way without tools.
#[derive(Debug, Clone, Copy)]
struct Plain {
    /// Of a sample.
    cost: u64,
    split: Split,
}

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
    let Some(least) = plain.iter().min_by_key(|costed| costed.cost) else {
        unreachable!("there is at least one way without tools")
    };
    let num_samples = chunks.iter().map(|raw| raw.len() / S::BYTES).sum::<usize>();
    let plain_cost = least.cost;
    let best_plain = Plain {
        cost: plain_cost / num_samples.max(1) as u64,
        split: least.decision.split,
    };
    let mut not_measured = Vec::new();
    let with_tools: Vec<Costed> = match wanted.only {
        Some(Tool::Split | Tool::Stored | Tool::Packed) => Vec::new(),
        _ => {
            let (found, left_out) = candidates::<S>(chunks, wanted, best_plain, num_samples);
            not_measured = left_out;
            let found = found
                .into_iter()
                .map(|candidate| candidate.fitted::<S>(chunks));
            let found: Vec<Candidate> = found.collect();
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

/// What is worth measuring, and what is not.
fn candidates<S: Number>(
    chunks: &[&[u8]],
    wanted: Wanted,
    plain: Plain,
    num_samples: usize,
) -> (Vec<Candidate>, Vec<Candidate>) {
    let row = row_of::<S>(chunks, wanted.row);
    let windows = Windows::<S>::new(chunks, row, Extent::GLANCE);
    let mut found = all_candidates(&windows, chunks, wanted, row, plain.cost);
    if wanted.only.is_some() {
        return (found, Vec::new());
    }
    // Samples without structure come out even, but for chance.
    let chance = match wanted.form.mapping {
        Mapping::Float => plain.cost / ESTIMATE_WORTH,
        _ => plain.cost / TOOLS_WORTH + windows.noise(),
    };
    let (most, looks_again) = match wanted.effort {
        Effort::Fast => (2, true),
        Effort::Default if num_samples < TINY_SAMPLES => (2, false),
        Effort::Default => (5, true),
        Effort::Max => (usize::MAX, false),
    };
    // What takes prediction or a transform has to save more than smaller tables alone do.
    let tokens = found.iter().filter(|candidate| candidate.is_unpredicted());
    let tokens = tokens.map(|candidate| candidate.estimate).min();
    found.retain(|candidate| {
        candidate.is_unpredicted()
            || tokens.is_none_or(|tokens| candidate.estimate + chance < tokens)
    });
    let mut left_out = leave_out(&mut found, plain.cost, chance, most);
    let mut plain_cost = plain.cost;
    if looks_again && !found.is_empty() && Extent::LOOK.is_part_of(num_samples) {
        let windows = Windows::<S>::new(chunks, row, Extent::LOOK);
        for candidate in &mut found {
            candidate.estimate = windows.estimate(candidate);
        }
        // Beside what the same samples cost without tools, so that chance plays a smaller part.
        plain_cost = windows.split_cost(plain.split);
        let chance = plain_cost / TOOLS_WORTH + windows.noise();
        left_out.extend(leave_out(&mut found, plain_cost, chance, most));
    }
    // Where little is promised, only the best is tried, and plainly.
    if let Some(best) = found.first_mut()
        && wanted.effort != Effort::Max
        && best.estimate + plain_cost / LITTLE > plain_cost
    {
        best.kinds = &[ContextsKind::None];
        left_out.extend(found.split_off(1));
    }
    (found, left_out)
}

/// Leaves the best `most` of those that promise to save more than `chance`; gives the others.
fn leave_out(found: &mut Vec<Candidate>, plain: u64, chance: u64, most: usize) -> Vec<Candidate> {
    found.sort_by_key(|candidate| candidate.estimate);
    let promising = found.partition_point(|candidate| candidate.estimate + chance < plain);
    found.split_off(promising.min(most))
}

/// Every way to use tools that may be worth it.
fn all_candidates<S: Number>(
    windows: &Windows<S>,
    chunks: &[&[u8]],
    wanted: Wanted,
    row: usize,
    plain: u64,
) -> Vec<Candidate> {
    let Wanted { form, only, .. } = wanted;
    let mut found = Vec::new();
    let is_wanted = |tool| only.is_none_or(|only| only == tool);
    if is_wanted(Tool::Palette) && S::BYTES > 1 {
        found.extend(whole_palette(windows, chunks));
    }
    if is_wanted(Tool::Classes) && form.mapping == Mapping::Float {
        found.extend(float_classes(windows, form));
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
    found.extend(numbers::candidates(windows, wanted, row, plain));
    found
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
    /// Whether it is tokens of the samples as they are.
    fn is_unpredicted(&self) -> bool {
        matches!(self.tools.classes, Classes::Tokens { .. }) && !self.tools.has_numbers()
    }

    /// What is said of it if it was not measured.
    fn left_out(&self, num_samples: usize) -> Considered {
        Considered {
            tool: self.tool,
            how: self.tools.to_string(),
            estimated_bits: Some(in_bits(self.estimate.saturating_mul(num_samples as u64))),
            measured_bits: None,
            verdict: Verdict::NotMeasured,
        }
    }

    /// With the factors of all columns, where those of windows were estimated.
    fn fitted<S: Number>(mut self, chunks: &[&[u8]]) -> Self {
        if let Prediction::Recurrence(recurrence) = &mut self.tools.prediction {
            let numbers = chunks.iter().map(|raw| {
                let samples = raw.chunks_exact(S::BYTES).map(S::from_bytes);
                samples.map(|sample| sample.ordered(Order::Float)).collect()
            });
            let row = self.tools.row as usize;
            *recurrence = Recurrence::fit::<S>(recurrence.format, row, numbers);
        }
        self
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
