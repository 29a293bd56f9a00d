//! Predictions and transforms worth measuring.

use super::estimate::Windows;
use super::{Candidate, Number, Tool, Wanted, plain_tools, sample_bits};
use crate::predict::Predictor;
use crate::samples::{Mapping, Order};
use crate::tools::{Classes, ContextsKind, Prediction, Tools};
use crate::transform::Transform;

const PREDICTED_KINDS: &[ContextsKind] = &[
    ContextsKind::None,
    ContextsKind::Above,
    ContextsKind::Columns,
];
const TRANSFORMED_KINDS: &[ContextsKind] = &[ContextsKind::None, ContextsKind::Bands];

/// Predictions and transforms of the samples as numbers.
pub(super) fn candidates<S: Number>(
    windows: &Windows<S>,
    wanted: Wanted,
    row: usize,
    plain: u64,
) -> Vec<Candidate> {
    let order = match wanted.form.mapping {
        Mapping::Float => Order::Float,
        Mapping::Zigzag => Order::Signed,
        Mapping::Unsigned => Order::Unsigned,
    };
    let candidate = |tool, prediction, transform| {
        let mut tools = Tools {
            prediction,
            transform,
            row: u32::try_from(row).unwrap_or(1),
            ..plain_tools::<S>(Classes::Tokens {
                sample_bits: sample_bits::<S>(),
            })
        };
        tools.order = tools.has_numbers().then_some(order);
        Candidate {
            tool,
            estimate: windows.cost(&tools),
            kinds: if transform == Transform::None {
                PREDICTED_KINDS
            } else {
                TRANSFORMED_KINDS
            },
            tools,
        }
    };
    let predicted = |predictor| {
        let tool = Tool::of_predictor(predictor);
        candidate(tool, Prediction::Whole(predictor), Transform::None)
    };
    if let Some(only) = wanted.only {
        return match only {
            Tool::Tiles => vec![candidate(only, Prediction::Tiles, Transform::None)],
            Tool::Dct => vec![candidate(
                only,
                Prediction::Whole(Predictor::None),
                Transform::Dct,
            )],
            Tool::Adst => vec![candidate(
                only,
                Prediction::Whole(Predictor::None),
                Transform::Adst,
            )],
            _ => Predictor::ALL
                .into_iter()
                .filter(|&predictor| {
                    predictor != Predictor::None && Tool::of_predictor(predictor) == only
                })
                .map(predicted)
                .collect(),
        };
    }
    let mut found = Vec::new();
    if !windows.has_rows {
        // All others are these in a single row.
        return [Predictor::Left, Predictor::LeftSlope]
            .map(predicted)
            .into();
    }
    if wanted.form.mapping != Mapping::Float && S::BYTES > 1 {
        // Integers whose sizes differ.
        found.push(predicted(Predictor::None));
    }
    let simple = [Predictor::Left, Predictor::Top].map(predicted);
    // Where neighbours tell nothing at all, nothing finer does.
    let is_hopeless = |candidate: &Candidate| candidate.estimate > plain + plain / 8;
    let is_over = simple.iter().all(is_hopeless);
    found.extend(simple);
    if is_over {
        return found;
    }
    let finer = [
        Predictor::Average,
        Predictor::Planar,
        Predictor::TopSlope,
        Predictor::LeftSlope,
    ];
    found.extend(finer.map(predicted));
    let best = found
        .iter()
        .min_by_key(|candidate| candidate.estimate)
        .map_or(Prediction::Whole(Predictor::None), |candidate| {
            candidate.tools.prediction
        });
    found.push(candidate(Tool::Tiles, Prediction::Tiles, Transform::None));
    for (tool, transform) in [(Tool::Dct, Transform::Dct), (Tool::Adst, Transform::Adst)] {
        found.push(candidate(
            tool,
            Prediction::Whole(Predictor::None),
            transform,
        ));
        if best != Prediction::Whole(Predictor::None) {
            found.push(candidate(tool, best, transform));
        }
    }
    found
}
