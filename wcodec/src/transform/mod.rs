//! Reversible transforms of blocks of 8x8 samples (FORMAT.md, section 5.7).
//!
//! Each is an orthonormal transform written as plane rotations, and each rotation as three lifting steps that round
//! and wrap to n bits ([`lifting`]); every step can be undone exactly, so the whole can, for every bit pattern and
//! without room for larger coefficients. But a coefficient grows to eight times a sample: a block whose samples reach
//! an eighth of the range may wrap, and then its coefficients mean nothing, though they are as reversible as others.
//!
//! Blocks lie at multiples of 8 rows and columns of a chunk seen as rows; what is left at its edges stays as it is.
//! Eight rows or columns of a block are transformed side by side, for the compiler to vectorise.

mod adst;
mod dct;
mod lifting;

use crate::error::ErrorKind;
use crate::samples::Number;
use lifting::Turn;

/// Rows and columns of a block.
pub(crate) use crate::format::BLOCK;
use crate::format::{TRANSFORM_ADST, TRANSFORM_DCT, TRANSFORM_NONE, TRANSFORM_PLACES as PLACES};

/// A transform of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Transform {
    None = TRANSFORM_NONE,
    /// Discrete cosine transform, type II: for blocks without a direction.
    Dct = TRANSFORM_DCT,
    /// Discrete sine transform, type IV: for blocks that grow from the left and from the top, as residuals do.
    Adst = TRANSFORM_ADST,
}

impl Transform {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Dct, Self::Adst];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dct => "dct",
            Self::Adst => "adst",
        }
    }

    fn turns(self) -> &'static [Turn] {
        match self {
            Self::None => &[],
            Self::Dct => &dct::TURNS,
            Self::Adst => &adst::TURNS,
        }
    }
}

impl TryFrom<u8> for Transform {
    type Error = ErrorKind;
    fn try_from(id: u8) -> Result<Self, ErrorKind> {
        let known = Self::ALL.into_iter().find(|known| *known as u8 == id);
        known.ok_or(ErrorKind::UnsupportedFeature {
            what: "transform",
            id: u32::from(id),
        })
    }
}

/// Replaces the samples of whole blocks by coefficients. A row has `row` samples, at least 1.
pub(crate) fn forward<S: Number>(kind: Transform, row: usize, samples: &mut [S]) {
    if kind == Transform::None {
        return;
    }
    let turns = kind.turns();
    each_block(row, samples, |block| {
        let columns = forward_points(turns, transposed(block));
        forward_points(turns, transposed(columns))
    });
}

/// Replaces the coefficients of whole blocks by samples. A row has `row` samples, at least 1.
///
/// # Panics
///
/// Never, for any coefficients.
pub(crate) fn inverse<S: Number>(kind: Transform, row: usize, samples: &mut [S]) {
    if kind == Transform::None {
        return;
    }
    let turns = kind.turns();
    each_block(row, samples, |block| {
        let columns = transposed(inverse_points(turns, block));
        transposed(inverse_points(turns, columns))
    });
}

/// The frequency band of sample `index`: 1 + u + v for the coefficient at row u and column v of a whole block, of
/// which 1 is the lowest and 15 the highest; 0 outside whole blocks.
pub(crate) fn band(row: usize, samples: usize, index: usize) -> u8 {
    let (r, c) = (index / row, index % row);
    if r < whole(samples / row) && c < whole(row) {
        (1 + r % BLOCK + c % BLOCK).to_le_bytes()[0]
    } else {
        0
    }
}

/// The part of `len` that whole blocks cover.
fn whole(len: usize) -> usize {
    len - len % BLOCK
}

/// Eight rows of eight samples, or eight points of eight transforms side by side.
type Block<S> = [[S; BLOCK]; BLOCK];

/// Replaces every whole block by what `work` makes of it.
#[inline(always)]
fn each_block<S: Number>(row: usize, samples: &mut [S], work: impl Fn(Block<S>) -> Block<S>) {
    for rows in samples.chunks_exact_mut(row.saturating_mul(BLOCK)) {
        for column in (0..whole(row)).step_by(BLOCK) {
            let mut block = [[S::ZERO; BLOCK]; BLOCK];
            for (line, row) in block.iter_mut().zip(rows.chunks_exact(row)) {
                line.copy_from_slice(&row[column..column + BLOCK]);
            }
            let block = work(block);
            for (line, row) in block.iter().zip(rows.chunks_exact_mut(row)) {
                row[column..column + BLOCK].copy_from_slice(line);
            }
        }
    }
}

/// Transforms along the outer index.
#[inline(always)]
fn forward_points<S: Number>(turns: &[Turn], mut points: Block<S>) -> Block<S> {
    for turn in turns {
        turn.forward(&mut points);
    }
    PLACES.map(|place| points[place])
}

/// Inverse of [`forward_points`].
#[inline(always)]
fn inverse_points<S: Number>(turns: &[Turn], coefficients: Block<S>) -> Block<S> {
    let mut points = [[S::ZERO; BLOCK]; BLOCK];
    for (place, coefficient) in PLACES.into_iter().zip(coefficients) {
        points[place] = coefficient;
    }
    for turn in turns.iter().rev() {
        turn.inverse(&mut points);
    }
    points
}

#[inline(always)]
fn transposed<S: Number>(block: Block<S>) -> Block<S> {
    std::array::from_fn(|column| block.map(|line| line[column]))
}

#[cfg(test)]
mod tests;
