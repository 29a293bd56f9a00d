//! One model's predictions, and how far two models' are apart.

use super::text::Window;
use crate::model::Llama;
use candle_core::Tensor;
use rayon::prelude::*;

/// The scores for each predicted token of a window, a row of the vocabulary's length each.
#[derive(Debug, Clone)]
pub(crate) struct Logits {
    values: Vec<f32>,
    vocabulary: usize,
}

impl Logits {
    /// Runs the model over a window.
    ///
    /// # Errors
    ///
    /// candle's own; a window longer than the model's positions.
    pub(crate) fn of(llama: &Llama, window: &Window) -> anyhow::Result<Self> {
        let hidden = llama.hidden(&window.tokens)?;
        let rows = window.targets().len();
        let hidden = hidden.narrow(1, window.predicted_from - 1, rows)?;
        let logits: Tensor = llama.logits(&hidden.contiguous()?)?;
        Ok(Self {
            vocabulary: logits.dim(2)?,
            values: logits.flatten_all()?.to_vec1()?,
        })
    }

    #[cfg(test)]
    pub(crate) fn new(values: Vec<f32>, vocabulary: usize) -> Self {
        Self { values, vocabulary }
    }

    fn rows(&self) -> rayon::slice::ChunksExact<'_, f32> {
        self.values.par_chunks_exact(self.vocabulary)
    }

    /// What the model made of each target.
    pub(crate) fn scores(&self, targets: &[u32]) -> Vec<Score> {
        let pairs = self.rows().zip(targets);
        pairs.map(|(row, &target)| Score::of(row, target)).collect()
    }

    /// How far `other` is away, at each predicted token.
    pub(crate) fn apart(&self, other: &Self) -> Vec<Apart> {
        let pairs = self.rows().zip(other.rows());
        pairs
            .map(|(ours, theirs)| Apart::of(ours, theirs))
            .collect()
    }
}

/// One prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Score {
    /// Negative log-likelihood of the token that came, in nats.
    pub(crate) nll: f64,
    /// Whether it was the likeliest.
    pub(crate) is_top: bool,
}

impl Score {
    fn of(row: &[f32], target: u32) -> Self {
        let target = usize::try_from(target).unwrap_or(usize::MAX);
        let logit = row.get(target).copied().unwrap_or(f32::NEG_INFINITY);
        let earlier = row.iter().take(target);
        Self {
            nll: log_sum(row) - f64::from(logit),
            // The first of equals is the choice of a greedy generation.
            is_top: row.iter().all(|other| *other <= logit)
                && earlier.clone().all(|other| *other < logit),
        }
    }
}

/// Two models at one position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Apart {
    /// Kullback-Leibler divergence of the second's distribution from the first's, in nats.
    pub(crate) divergence: f64,
    /// Largest difference of two logits.
    pub(crate) largest: f32,
    /// Whether all logits are the same bits.
    pub(crate) is_equal: bool,
}

impl Apart {
    fn of(ours: &[f32], theirs: &[f32]) -> Self {
        let is_equal = ours.len() == theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .all(|(ours, theirs)| ours.to_bits() == theirs.to_bits());
        if is_equal {
            return Self {
                divergence: 0.0,
                largest: 0.0,
                is_equal,
            };
        }
        let (our_sum, their_sum) = (log_sum(ours), log_sum(theirs));
        let mut divergence = 0.0;
        let mut largest = 0f32;
        for (&ours, &theirs) in ours.iter().zip(theirs) {
            let (log_p, log_q) = (f64::from(ours) - our_sum, f64::from(theirs) - their_sum);
            // What has no probability adds nothing.
            if log_p > f64::NEG_INFINITY {
                divergence += log_p.exp() * (log_p - log_q);
            }
            let apart = if ours == theirs {
                0.0
            } else {
                (ours - theirs).abs()
            };
            // Not `max`, which leaves out what is not a number.
            if largest.is_nan() || apart <= largest {
                continue;
            }
            largest = apart;
        }
        Self {
            // Less is rounding.
            divergence: if divergence < 0.0 { 0.0 } else { divergence },
            largest,
            is_equal,
        }
    }
}

/// The logarithm of the sum of the exponentials.
fn log_sum(row: &[f32]) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let most = f64::from(most);
    let sum: f64 = row
        .iter()
        .map(|logit| (f64::from(*logit) - most).exp())
        .sum();
    most + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likelihoods_of_known_distributions() {
        let logits = Logits::new(
            vec![0.0, 0.0, 0.0, 0.0, 2f32.ln(), 0.0, 0.0, f32::NEG_INFINITY],
            4,
        );
        let scores = logits.scores(&[1, 0]);
        assert!((scores[0].nll - 4f64.ln()).abs() < 1e-12 && !scores[0].is_top);
        assert!((scores[1].nll - 2f64.ln()).abs() < 1e-7 && scores[1].is_top);
    }

    #[test]
    fn divergence_of_known_distributions() {
        let one = Logits::new(vec![3f32.ln(), 0.0], 2); // 3/4, 1/4
        let other = Logits::new(vec![1.0, 1.0], 2); // halves
        let apart = one.apart(&other)[0];
        let expected = 0.75 * 1.5f64.ln() + 0.25 * 0.5f64.ln();
        assert!((apart.divergence - expected).abs() < 1e-6, "{apart:?}");
        assert_eq!(apart.largest, 1.0);
        assert!(!apart.is_equal && one.apart(&one)[0].is_equal);
        // Same numbers, other bits.
        let (plus, minus) = (
            Logits::new(vec![0.0, 1.0], 2),
            Logits::new(vec![-0.0, 1.0], 2),
        );
        let apart = plus.apart(&minus)[0];
        assert!(!apart.is_equal && apart.largest == 0.0 && apart.divergence == 0.0);
    }
}
