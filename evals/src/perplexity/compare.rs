//! What many predictions say together.

use super::score::{Apart, Score};
use serde::{Deserialize, Serialize};

/// A mean, and the standard error of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    pub(crate) value: f64,
    #[serde(rename = "standard_error")]
    pub(crate) error: f64,
}

impl Mean {
    /// Of independent values.
    pub(crate) fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let count = values.len().max(1) as f64;
        let value = values.clone().sum::<f64>() / count;
        let squares: f64 = values.map(|one| (one - value).powi(2)).sum();
        Self {
            value,
            error: (squares / (count - 1.0).max(1.0) / count).sqrt(),
        }
    }
}

/// One model on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quality {
    /// Tokens that were predicted.
    pub(crate) tokens: usize,
    /// Negative log-likelihood of a token, in nats.
    #[serde(rename = "nll_nats")]
    pub(crate) nll: Mean,
    /// The exponential of its mean.
    pub(crate) perplexity: f64,
    /// Tokens that were the likeliest, in per cent.
    pub(crate) top1_percent: f64,
}

impl Quality {
    pub(crate) fn of(scores: &[Score]) -> Self {
        let nll = Mean::of(scores.iter().map(|score| score.nll));
        let top = scores.iter().filter(|score| score.is_top).count();
        Self {
            tokens: scores.len(),
            nll,
            perplexity: nll.value.exp(),
            top1_percent: 100.0 * top as f64 / scores.len().max(1) as f64,
        }
    }
}

/// A second model beside the first, token by token: differences are second less first, errors those of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Difference {
    #[serde(rename = "nll_nats")]
    pub(crate) nll: Mean,
    pub(crate) perplexity: Mean,
    /// In percentage points.
    #[serde(rename = "top1_percentage_points")]
    pub(crate) top1_points: Mean,
    /// Kullback-Leibler divergence of the next-token distributions, in nats.
    #[serde(rename = "kl_nats")]
    pub(crate) divergence: Mean,
    /// The divergence that 99.9 % of the positions do not exceed.
    #[serde(rename = "kl_p999_nats")]
    pub(crate) divergence_999: f64,
    pub(crate) largest_logit_difference: f32,
    /// Whether every logit at every position is the same bits.
    pub(crate) logits_equal: bool,
}

impl Difference {
    /// `first` and `second` predict the same tokens in the same order.
    pub(crate) fn of(first: &[Score], second: &[Score], apart: &[Apart]) -> Self {
        let pairs = || first.iter().zip(second);
        let perplexity = |scores: &[Score]| Quality::of(scores).perplexity;
        let (one, other) = (perplexity(first), perplexity(second));
        // To first order, a perplexity moves by itself times the mean of the log-likelihoods' moves.
        let moves = Mean::of(pairs().map(|(a, b)| other * b.nll - one * a.nll));
        let top = |score: &Score| if score.is_top { 100.0 } else { 0.0 };
        let mut divergences: Vec<f64> = apart.iter().map(|apart| apart.divergence).collect();
        divergences.sort_unstable_by(f64::total_cmp);
        let rank = (divergences.len() * 999).div_ceil(1000).max(1) - 1;
        Self {
            nll: Mean::of(pairs().map(|(a, b)| b.nll - a.nll)),
            perplexity: Mean {
                value: other - one,
                error: moves.error,
            },
            top1_points: Mean::of(pairs().map(|(a, b)| top(b) - top(a))),
            divergence: Mean::of(divergences.iter().copied()),
            divergence_999: divergences.get(rank).copied().unwrap_or(0.0),
            largest_logit_difference: apart.iter().map(|apart| apart.largest).fold(0.0, largest),
            logits_equal: apart.iter().all(|apart| apart.is_equal),
        }
    }

    /// Whether the second model is the first: every logit's bits, and so every figure.
    pub(crate) fn is_none(&self) -> bool {
        self.logits_equal && self.nll.value == 0.0 && self.divergence.value == 0.0
    }
}

/// The larger one, or what is not a number.
fn largest(one: f32, other: f32) -> f32 {
    if one.is_nan() || other <= one {
        one
    } else {
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_their_errors() {
        let mean = Mean::of([1.0, 2.0, 3.0, 4.0].into_iter());
        assert_eq!(mean.value, 2.5);
        assert!((mean.error - (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn differences_are_second_less_first_and_errors_those_of_pairs() {
        let score = |nll, is_top| Score { nll, is_top };
        let first = [score(1.0, true), score(3.0, false)];
        let second = [score(1.5, true), score(3.5, true)];
        let apart = Apart {
            divergence: 0.25,
            largest: 2.0,
            is_equal: false,
        };
        let equal = Apart {
            divergence: 0.0,
            largest: 0.0,
            is_equal: true,
        };
        let difference = Difference::of(&first, &second, &[apart, equal]);
        assert_eq!((difference.nll.value, difference.nll.error), (0.5, 0.0));
        assert!((difference.perplexity.value - (2.5f64.exp() - 2f64.exp())).abs() < 1e-12);
        assert_eq!(difference.top1_points.value, 50.0);
        assert_eq!(
            (difference.divergence.value, difference.divergence_999),
            (0.125, 0.25)
        );
        assert!(!difference.logits_equal && !difference.is_none());
        assert!(Difference::of(&first, &first, &[equal, equal]).is_none());
    }
}
