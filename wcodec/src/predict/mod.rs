//! Prediction of samples by their neighbours above and to the left (FORMAT.md, section 5.6).
//!
//! A chunk is seen as rows of `row` samples, of which the last may be shorter. A sample's residual is the sample minus
//! its prediction, modulo 2^n; predictions look at neighbours anywhere in the chunk, across the borders of tiles, and
//! never outside it. Residuals take the samples' places.
//!
//! As every prediction is made from samples, not from residuals, the residuals of a tile depend on that tile's
//! predictor alone: a search tries [`Predictors::One`] on a copy of the chunk and compares tile by tile.

mod recurrence;
mod row;

use std::ops::Range;

use crate::error::ErrorKind;
use crate::format::{
    PREDICTOR_AVERAGE, PREDICTOR_LEFT, PREDICTOR_LEFT_SLOPE, PREDICTOR_NONE, PREDICTOR_PLANAR,
    PREDICTOR_TOP, PREDICTOR_TOP_SLOPE,
};
use crate::samples::Number;
use row::Row;

pub(crate) use crate::format::TILE;
pub(crate) use recurrence::{FloatFormat, Recurrence};

/// How a sample is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Predictor {
    /// 0.
    None = PREDICTOR_NONE,
    /// The sample to the left.
    Left = PREDICTOR_LEFT,
    /// The sample above.
    Top = PREDICTOR_TOP,
    /// Half the sum of both, rounded down.
    Average = PREDICTOR_AVERAGE,
    /// On the plane through left, top and the sample between them.
    Planar = PREDICTOR_PLANAR,
    /// On the line through the two samples above.
    TopSlope = PREDICTOR_TOP_SLOPE,
    /// On the line through the two samples to the left.
    LeftSlope = PREDICTOR_LEFT_SLOPE,
}

impl Predictor {
    pub(crate) const ALL: [Self; 7] = [
        Self::None,
        Self::Left,
        Self::Top,
        Self::Average,
        Self::Planar,
        Self::TopSlope,
        Self::LeftSlope,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Left => "left",
            Self::Top => "top",
            Self::Average => "average",
            Self::Planar => "planar",
            Self::TopSlope => "top-slope",
            Self::LeftSlope => "left-slope",
        }
    }

    /// What the predictor comes to at `row` and `column`: where a neighbour is missing and another one stands for it,
    /// every rule is one of the simpler rules. Its neighbours all exist.
    fn at(self, row: usize, column: usize) -> Self {
        match (self, row, column) {
            (Self::None, ..) | (_, 0, 0) => Self::None,
            (Self::LeftSlope, _, 2..) => Self::LeftSlope,
            (Self::LeftSlope, _, 1) | (_, 0, _) => Self::Left,
            (Self::TopSlope, 2.., _) => Self::TopSlope,
            (Self::TopSlope, ..) | (_, _, 0) => Self::Top,
            (inner, ..) => inner,
        }
    }
}

impl TryFrom<u8> for Predictor {
    type Error = ErrorKind;
    fn try_from(id: u8) -> Result<Self, ErrorKind> {
        let known = Self::ALL.into_iter().find(|known| *known as u8 == id);
        known.ok_or(ErrorKind::UnsupportedFeature {
            what: "predictor",
            id: u32::from(id),
        })
    }
}

/// The predictors of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Predictors<'a> {
    /// One for all samples.
    One(Predictor),
    /// One a tile, tiles in raster order: [`tiles`] of them. A tile beyond the end has none.
    PerTile(&'a [Predictor]),
}

impl Predictors<'_> {
    /// The predictors of the `len` samples of row `index` with their columns, left to right.
    fn of_row(
        self,
        row: usize,
        index: usize,
        len: usize,
    ) -> impl DoubleEndedIterator<Item = (Predictor, Range<usize>)> {
        let width = match self {
            Self::One(_) => len,
            Self::PerTile(_) => TILE,
        };
        let first_tile = index / TILE * row.div_ceil(TILE);
        (0..len.div_ceil(width.max(1))).map(move |tile| {
            let predictor = match self {
                Self::One(predictor) => predictor,
                Self::PerTile(all) => {
                    let known = all.get(first_tile + tile);
                    known.copied().unwrap_or(Predictor::None)
                }
            };
            (predictor, tile * width..((tile + 1) * width).min(len))
        })
    }
}

/// Number of tiles of a chunk of `samples` samples in rows of `row`, at least 1.
pub(crate) fn tiles(row: usize, samples: usize) -> usize {
    row.div_ceil(TILE) * samples.div_ceil(row).div_ceil(TILE)
}

/// Replaces samples by residuals. A row has `row` samples, at least 1.
pub(crate) fn forward<S: Number>(predictors: Predictors<'_>, row: usize, samples: &mut [S]) {
    // Backwards, so that what a prediction needs still stands.
    for index in (0..samples.len().div_ceil(row)).rev() {
        let mut samples = Row::new(row, index, samples);
        for (predictor, columns) in predictors.of_row(row, index, samples.len()).rev() {
            samples.forward(predictor, columns);
        }
    }
}

/// Replaces residuals by samples. A row has `row` samples, at least 1.
///
/// # Panics
///
/// Never, for any residuals.
pub(crate) fn inverse<S: Number>(predictors: Predictors<'_>, row: usize, samples: &mut [S]) {
    if matches!(predictors, Predictors::One(Predictor::None)) {
        return;
    }
    for index in 0..samples.len().div_ceil(row) {
        let mut samples = Row::new(row, index, samples);
        for (predictor, columns) in predictors.of_row(row, index, samples.len()) {
            samples.inverse(predictor, columns);
        }
    }
}

#[cfg(test)]
mod tests;
