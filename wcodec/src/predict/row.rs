//! Prediction of runs of samples within a row.
//!
//! The first two columns go one by one, as their rules are others ([`Predictor::at`]); then one rule holds for the
//! rest of the run and is known outside the loop. What a decoder runs is written for the compiler to vectorise, where
//! the rule allows it.

use std::ops::Range;

use super::{Predictor, Recurrence};
use crate::samples::Number;

/// A row of a chunk and the two above it, which are empty above the chunk.
pub(super) struct Row<'a, S> {
    index: usize,
    top_tops: &'a [S],
    tops: &'a [S],
    samples: &'a mut [S],
}

impl<'a, S: Number> Row<'a, S> {
    /// Row `index` of a chunk in rows of `row` samples. It begins within the chunk.
    pub(super) fn new(row: usize, index: usize, samples: &'a mut [S]) -> Self {
        let (above, below) = samples.split_at_mut(index * row);
        let (above, tops) = above.split_at(above.len().saturating_sub(row));
        let (_, top_tops) = above.split_at(above.len().saturating_sub(row));
        let len = below.len().min(row);
        Self {
            index,
            top_tops,
            tops,
            samples: &mut below[..len],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Samples to residuals; everything to the left of `columns` is a sample.
    pub(super) fn forward(&mut self, predictor: Predictor, columns: Range<usize>) {
        let inner = columns.start.max(columns.end.min(2));
        self.forward_run(predictor.at(self.index, 2), inner..columns.end);
        for column in (columns.start..inner).rev() {
            self.forward_run(predictor.at(self.index, column), column..column + 1);
        }
    }

    /// Residuals to samples; everything to the left of `columns` is a sample.
    pub(super) fn inverse(&mut self, predictor: Predictor, columns: Range<usize>) {
        let inner = columns.start.max(columns.end.min(2));
        for column in columns.start..inner {
            self.inverse_run(predictor.at(self.index, column), column..column + 1);
        }
        self.inverse_run(predictor.at(self.index, 2), inner..columns.end);
    }

    fn forward_run(&mut self, predictor: Predictor, columns: Range<usize>) {
        match predictor {
            Predictor::None => {}
            Predictor::Top | Predictor::TopSlope => self.by_tops(predictor, columns, S::minus),
            Predictor::Left => self.forward_each(columns, |row, column| row.left(column)),
            Predictor::Average => self.forward_each(columns, |row, column| row.average(column)),
            Predictor::Planar => self.forward_each(columns, |row, column| row.planar(column)),
            Predictor::LeftSlope => {
                self.forward_each(columns, |row, column| row.left_slope(column));
            }
        }
    }

    fn inverse_run(&mut self, predictor: Predictor, columns: Range<usize>) {
        match predictor {
            Predictor::None => {}
            Predictor::Top | Predictor::TopSlope => self.by_tops(predictor, columns, S::plus),
            Predictor::Left => self.sum_up(columns),
            Predictor::Average => self.inverse_average(columns),
            Predictor::Planar => {
                self.add_top_steps(columns.clone());
                self.sum_up(columns);
            }
            Predictor::LeftSlope => self.sum_up_twice(columns),
        }
    }

    /// Joins each sample with its prediction from above: order does not matter.
    #[inline(always)]
    fn by_tops(&mut self, predictor: Predictor, columns: Range<usize>, join: impl Fn(S, S) -> S) {
        let tops = &self.tops[columns.clone()];
        if predictor == Predictor::Top {
            for (sample, &top) in self.samples[columns].iter_mut().zip(tops) {
                *sample = join(*sample, top);
            }
        } else {
            let top_tops = &self.top_tops[columns.clone()];
            let above = tops.iter().zip(top_tops);
            for (sample, (&top, &top_top)) in self.samples[columns].iter_mut().zip(above) {
                *sample = join(*sample, on_line(top_top, top));
            }
        }
    }

    /// Joins each sample with its prediction from the two above: order does not matter.
    #[inline(always)]
    pub(super) fn by_recurrence(&mut self, recurrence: &Recurrence, join: impl Fn(S, S) -> S) {
        let above = self.top_tops.iter().zip(self.tops);
        let columns = self.samples.iter_mut().zip(above);
        for ((sample, (&top_top, &top)), &factor) in columns.zip(&recurrence.factors) {
            *sample = join(*sample, recurrence.predict(factor, top_top, top));
        }
    }

    /// Inverse of left: running sums, in groups, within which the compiler vectorises.
    fn sum_up(&mut self, columns: Range<usize>) {
        const GROUP: usize = 8;
        if columns.is_empty() {
            return;
        }
        let mut left = self.left(columns.start);
        let (groups, rest) = self.samples[columns].as_chunks_mut::<GROUP>();
        for group in groups {
            for distance in [1, 2, 4] {
                let shorter = *group;
                for (sum, before) in group[distance..].iter_mut().zip(shorter) {
                    *sum = sum.plus(before);
                }
            }
            *group = group.map(|sum| sum.plus(left));
            left = group[GROUP - 1];
        }
        for sample in rest {
            left = sample.plus(left);
            *sample = left;
        }
    }

    /// Inverse of left-slope: running sums of the steps between samples, and of these.
    fn sum_up_twice(&mut self, columns: Range<usize>) {
        if columns.is_empty() {
            return;
        }
        let mut left = self.left(columns.start);
        let mut step = left.minus(self.samples[columns.start - 2]);
        for sample in &mut self.samples[columns] {
            step = sample.plus(step);
            left = left.plus(step);
            *sample = left;
        }
    }

    /// A planar residual plus the step between the samples above is the step between samples.
    fn add_top_steps(&mut self, columns: Range<usize>) {
        if columns.is_empty() {
            return;
        }
        let before = &self.tops[columns.start - 1..];
        let above = self.tops[columns.clone()].iter().zip(before);
        for (sample, (&top, &top_left)) in self.samples[columns].iter_mut().zip(above) {
            *sample = sample.plus(top.minus(top_left));
        }
    }

    fn inverse_average(&mut self, columns: Range<usize>) {
        if columns.is_empty() {
            return;
        }
        let mut left = self.left(columns.start);
        let tops = &self.tops[columns.clone()];
        for (sample, &top) in self.samples[columns].iter_mut().zip(tops) {
            left = sample.plus(left.average(top));
            *sample = left;
        }
    }

    #[inline(always)]
    fn forward_each(&mut self, columns: Range<usize>, predict: impl Fn(&Self, usize) -> S) {
        for column in columns.rev() {
            self.samples[column] = self.samples[column].minus(predict(self, column));
        }
    }

    #[inline(always)]
    fn left(&self, column: usize) -> S {
        self.samples[column - 1]
    }

    #[inline(always)]
    fn average(&self, column: usize) -> S {
        self.left(column).average(self.tops[column])
    }

    #[inline(always)]
    fn planar(&self, column: usize) -> S {
        let both = self.left(column).plus(self.tops[column]);
        both.minus(self.tops[column - 1])
    }

    #[inline(always)]
    fn left_slope(&self, column: usize) -> S {
        on_line(self.samples[column - 2], self.left(column))
    }
}

/// The number after `far` and `near` on a line.
#[inline(always)]
fn on_line<S: Number>(far: S, near: S) -> S {
    near.plus(near).minus(far)
}
