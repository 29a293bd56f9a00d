//! Predictions and transforms worth measuring.

use super::estimate::Windows;
use super::{Candidate, Effort, Number, TINY_SAMPLES, Tool, Wanted, plain_tools, sample_bits};
use crate::format::RECURRENCE_MAX_ROW;
use crate::predict::{FloatFormat, Predictor, Recurrence};
use crate::samples::{Mapping, Order};
use crate::tools::{Classes, ContextsKind, Prediction, Tools};
use crate::transform::Transform;

const PREDICTED_KINDS: &[ContextsKind] = &[
    ContextsKind::None,
    ContextsKind::Above,
    ContextsKind::Columns,
];
const TRANSFORMED_KINDS: &[ContextsKind] = &[ContextsKind::None, ContextsKind::Bands];

/// Fewer rows never pay for the factors of their columns.
const ROWS_OF_RECURRENCE: usize = 8;

/// Predictions and transforms of the samples as numbers. `plain` is what they cost without.
pub(super) fn candidates<S: Number>(
    windows: &Windows<S>,
    wanted: Wanted,
    row: usize,
    plain: u64,
) -> Vec<Candidate> {
    let numbers = Numbers {
        windows,
        wanted,
        row,
    };
    match wanted.only {
        Some(only) => numbers.alone(only),
        // All other predictors are these in a single row.
        None if !windows.has_rows => numbers.predicted([Predictor::Left, Predictor::LeftSlope]),
        None => numbers.worth_measuring(plain),
    }
}

/// What the samples are.
struct Numbers<'a, S> {
    windows: &'a Windows<S>,
    wanted: Wanted,
    row: usize,
}

impl<S: Number> Numbers<'_, S> {
    fn candidate(&self, tool: Tool, prediction: Prediction, transform: Transform) -> Candidate {
        let order = match self.wanted.form.mapping {
            Mapping::Float => Order::Float,
            Mapping::Zigzag => Order::Signed,
            Mapping::Unsigned => Order::Unsigned,
        };
        let mut tools = Tools {
            prediction,
            transform,
            row: u32::try_from(self.row).unwrap_or(1),
            ..plain_tools::<S>(Classes::Tokens {
                sample_bits: sample_bits::<S>(),
            })
        };
        tools.order = tools.has_numbers().then_some(order);
        Candidate {
            tool,
            estimate: self.windows.cost(&tools),
            kinds: if transform == Transform::None {
                PREDICTED_KINDS
            } else {
                TRANSFORMED_KINDS
            },
            tools,
        }
    }

    fn predicted(&self, predictors: impl IntoIterator<Item = Predictor>) -> Vec<Candidate> {
        let candidate = |predictor| {
            let tool = Tool::of_predictor(predictor);
            self.candidate(tool, Prediction::Whole(predictor), Transform::None)
        };
        predictors.into_iter().map(candidate).collect()
    }

    /// The samples themselves transformed.
    fn transformed(&self, tool: Tool, transform: Transform) -> Candidate {
        self.candidate(tool, Prediction::Whole(Predictor::None), transform)
    }

    fn tiles(&self) -> Candidate {
        self.candidate(Tool::Tiles, Prediction::Tiles, Transform::None)
    }

    /// The floats that may be predicted by recurrence; `None` if the samples are no such, or of too many columns.
    fn recurrence_format(&self) -> Option<FloatFormat> {
        let form = self.wanted.form;
        let exponent_bits = sample_bits::<S>().checked_sub(1 + form.fraction_bits)?;
        let format = FloatFormat::new(sample_bits::<S>(), exponent_bits)?;
        let is_narrow = u32::try_from(self.row).is_ok_and(|row| row <= RECURRENCE_MAX_ROW);
        (form.mapping == Mapping::Float && is_narrow).then_some(format)
    }

    /// A recurrence without its factors yet.
    fn recurrence(&self, format: FloatFormat) -> Candidate {
        let unfit = Recurrence {
            format,
            factors: Vec::new(),
        };
        self.candidate(
            Tool::Recurrence,
            Prediction::Recurrence(unfit),
            Transform::None,
        )
    }

    /// One tool, whether worth it or not.
    fn alone(&self, only: Tool) -> Vec<Candidate> {
        let is_wanted = |&predictor: &Predictor| Tool::of_predictor(predictor) == only;
        match only {
            Tool::Tiles => vec![self.tiles()],
            Tool::Recurrence => {
                let format = self.recurrence_format().into_iter();
                format.map(|format| self.recurrence(format)).collect()
            }
            Tool::Dct => vec![self.transformed(only, Transform::Dct)],
            Tool::Adst => vec![self.transformed(only, Transform::Adst)],
            _ => self.predicted(Predictor::ALL.into_iter().filter(is_wanted)),
        }
    }

    fn worth_measuring(&self, plain: u64) -> Vec<Candidate> {
        let tries_all = self.wanted.effort == Effort::Max;
        let simple = self.predicted([Predictor::Left, Predictor::Top]);
        let all_cost_more = |share| {
            let costs_more = |candidate: &Candidate| candidate.estimate > plain + plain / share;
            simple.iter().all(costs_more)
        };
        // Differences of independent values take half a bit more. Where they nearly do, nothing finer helps, but for
        // values that alternate or oscillate.
        let (is_over, is_hopeless) = (all_cost_more(16), all_cost_more(8));
        let mut found = simple;
        if self.wanted.form.mapping != Mapping::Float {
            // Integers whose sizes differ, and small tables of those of a byte.
            found.extend(self.predicted([Predictor::None]));
        }
        let num_samples = self.windows.num_samples;
        let has_rows_enough = num_samples >= ROWS_OF_RECURRENCE * self.row;
        let format = self.recurrence_format().filter(|_| has_rows_enough);
        if is_over && !tries_all {
            let format = format.filter(|&format| self.windows.oscillates(format));
            found.extend(format.map(|format| self.recurrence(format)));
            found.extend((!is_hopeless).then(|| self.transformed(Tool::Dct, Transform::Dct)));
            return found;
        }
        found.extend(self.predicted([
            Predictor::Average,
            Predictor::Planar,
            Predictor::TopSlope,
            Predictor::LeftSlope,
        ]));
        found.extend(format.map(|format| self.recurrence(format)));
        if num_samples >= TINY_SAMPLES || tries_all {
            self.add_finest(&mut found);
        }
        found
    }

    /// What takes longest to try.
    fn add_finest(&self, found: &mut Vec<Candidate>) {
        let best = found.iter().min_by_key(|candidate| candidate.estimate);
        let Some(best) = best.map(|best| best.tools.prediction.clone()) else {
            return;
        };
        found.push(self.tiles());
        for (tool, transform) in [(Tool::Dct, Transform::Dct), (Tool::Adst, Transform::Adst)] {
            found.push(self.transformed(tool, transform));
            // What a recurrence leaves is noise.
            if !matches!(
                best,
                Prediction::Whole(Predictor::None) | Prediction::Recurrence(_)
            ) {
                found.push(self.candidate(tool, best.clone(), transform));
            }
        }
    }
}
