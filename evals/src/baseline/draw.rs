//! Weights with the statistics of trained ones, from a seed, any rows of any matrix by themselves.
//!
//! Trained matrices are normal once each row and each column is divided by its own scale: on two trained Llamas the
//! kurtosis is then 2.9 to 3.0, and before that 3.2 to 3.7. The scales' logarithms deviate by 0.10 to 0.12 over the
//! rows and by 0.05 to 0.08 over the columns, and the weights' root mean square is 0.03. What counts for a codec
//! follows: the entropy of a BF16 exponent, 2.56 to 2.61 bits on real models.

use crate::synthetic::Random;
use rayon::prelude::*;
use std::sync::LazyLock;

/// Deviations of the logarithms of the scales.
const ROW_SPREAD: f32 = 0.12;
const COLUMN_SPREAD: f32 = 0.08;
/// Root mean square of a matrix, about.
const SCALE: f32 = 0.028;
/// How far norms are from 1.
const NORM_SPREAD: f32 = 0.1;

/// Normal values to choose from by 16 random bits.
static NORMALS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut random = Random(0x05ee_d0fa_11d7_a5e5);
    (0..1 << 15).flat_map(|_| box_muller(&mut random)).collect()
});

/// Two normal values of two uniform ones.
#[expect(
    clippy::cast_possible_truncation,
    reason = "weights have fewer digits than either"
)]
fn box_muller(random: &mut Random) -> [f32; 2] {
    let mut uniform = || ((random.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let radius = (-2.0 * uniform().ln()).sqrt();
    let angle = std::f64::consts::TAU * uniform();
    [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
}

/// A tensor whose rows can be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    seed: u64,
    columns: usize,
    is_norm: bool,
    column_scales: Vec<f32>,
    /// The tensor's own scale.
    scale: f32,
}

impl Drawn {
    /// The tensor of that seed; a vector is a norm, of one row.
    pub(crate) fn new(seed: u64, shape: &[usize]) -> Self {
        let columns = shape.last().copied().unwrap_or(1);
        let mut random = Random(seed);
        let scale = SCALE * (0.2 * random.normal()).exp();
        Self {
            seed,
            columns,
            is_norm: shape.len() < 2,
            column_scales: (0..columns)
                .map(|_| (COLUMN_SPREAD * random.normal()).exp())
                .collect(),
            scale,
        }
    }

    /// Draws rows from `first_row` on into `out`, whole rows of it, on every thread.
    pub(crate) fn draw(&self, first_row: usize, out: &mut [f32]) {
        let rows = out.par_chunks_mut(self.columns).enumerate();
        rows.for_each(|(row, out)| self.draw_row(first_row + row, out));
    }

    fn draw_row(&self, row: usize, out: &mut [f32]) {
        // A seed of its own for each row, far from its neighbours'.
        let mut random = Random(self.seed ^ (row as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95));
        let normals: &[f32; 1 << 16] = match NORMALS.as_slice().try_into() {
            Ok(normals) => normals,
            Err(_) => return, // it has that length
        };
        let row_scale = self.scale * (ROW_SPREAD * random.normal()).exp();
        for (out, scales) in out.chunks_mut(4).zip(self.column_scales.chunks(4)) {
            let bits = random.bits().to_le_bytes();
            let (bits, _) = bits.as_chunks::<2>();
            for ((out, scale), bits) in out.iter_mut().zip(scales).zip(bits) {
                let normal = normals[usize::from(u16::from_le_bytes(*bits))];
                *out = match self.is_norm {
                    true => 1.0 + NORM_SPREAD * normal,
                    false => normal * row_scale * scale,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn any_rows_are_the_same_rows() {
        let drawn = Drawn::new(7, &[40, 33]);
        let mut whole = vec![0.0; 40 * 33];
        drawn.draw(0, &mut whole);
        let mut some = vec![0.0; 3 * 33];
        drawn.draw(21, &mut some);
        assert!(some == whole[21 * 33..24 * 33]);
        let mut other = vec![0.0; 40 * 33];
        Drawn::new(8, &[40, 33]).draw(0, &mut other);
        assert!(other != whole);
    }

    #[test]
    fn statistics_are_those_of_trained_matrices() {
        let (rows, columns) = (1024, 1024);
        let mut weights = vec![0.0; rows * columns];
        Drawn::new(1, &[rows, columns]).draw(0, &mut weights);
        let mut counts = [0u32; 256];
        let (mut squares, mut fourths) = (0.0, 0.0);
        for weight in &weights {
            counts[usize::from(bf16::from_f32(*weight).to_bits() >> 7 & 0xff)] += 1;
            squares += f64::from(*weight).powi(2);
            fourths += f64::from(*weight).powi(4);
        }
        let total = weights.len() as f64;
        let entropy: f64 = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|&count| f64::from(count) / total)
            .map(|share| -share * share.log2())
            .sum();
        assert!((2.54..2.62).contains(&entropy), "{entropy}");
        let kurtosis = fourths / total / (squares / total).powi(2);
        assert!((3.1..3.7).contains(&kurtosis), "{kurtosis}");
        let scale = (squares / total).sqrt();
        assert!((0.01..0.07).contains(&scale), "{scale}");
    }

    #[test]
    fn norms_are_near_one() {
        let mut norm = vec![0.0; 4096];
        Drawn::new(3, &[4096]).draw(0, &mut norm);
        let mean = norm.iter().sum::<f32>() / 4096.0;
        assert!((mean - 1.0).abs() < 0.01 && norm.iter().any(|value| *value > 1.2));
    }
}
