//! Plane rotations by lifting: I. Daubechies and W. Sweldens, Factoring wavelet transforms into lifting steps,
//! J. Fourier Anal. Appl. 4, 1998; of fast cosine transforms: J. Liang and T. D. Tran, Fast multiplierless
//! approximations of the DCT with the lifting scheme, IEEE TSP 49, 2001.

use super::Block;
use crate::samples::Number;

/// tan(k π / 64) with 14 fraction bits, k from 1, rounded to nearest; but the last one up, as (1 + tan) sin then comes
/// within 2^-18 of 1: equal numbers turned by π / 4 leave no difference.
pub(super) const TANGENTS: [i16; 8] = [805, 1614, 2430, 3259, 4104, 4970, 5862, 6787];

/// sin(k π / 32) with 14 fraction bits, k from 1, rounded to nearest.
pub(super) const SINES: [i16; 8] = [1606, 3196, 4756, 6270, 7723, 9102, 10394, 11585];

/// `Turn(a, b, k)` turns the plane of points a and b by φ = k π / 32, k from 1 to 8: a becomes a cos φ + b sin φ,
/// b becomes b cos φ - a sin φ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn(pub(super) usize, pub(super) usize, pub(super) usize);

impl Turn {
    #[inline(always)]
    pub(super) fn forward<S: Number>(self, points: &mut Block<S>) {
        let Self(a, b, k) = self;
        let (tangent, sine) = (TANGENTS[k - 1], SINES[k - 1]);
        shear(points, a, b, |a, b| a.plus(b.scaled(tangent)));
        shear(points, b, a, |b, a| b.minus(a.scaled(sine)));
        shear(points, a, b, |a, b| a.plus(b.scaled(tangent)));
    }

    #[inline(always)]
    pub(super) fn inverse<S: Number>(self, points: &mut Block<S>) {
        let Self(a, b, k) = self;
        let (tangent, sine) = (TANGENTS[k - 1], SINES[k - 1]);
        shear(points, a, b, |a, b| a.minus(b.scaled(tangent)));
        shear(points, b, a, |b, a| b.plus(a.scaled(sine)));
        shear(points, a, b, |a, b| a.minus(b.scaled(tangent)));
    }
}

/// One lifting step of eight transforms side by side: changes point `to` by a function of point `from`.
#[inline(always)]
fn shear<S: Number>(points: &mut Block<S>, to: usize, from: usize, step: impl Fn(S, S) -> S) {
    let from = points[from];
    for (to, from) in points[to].iter_mut().zip(from) {
        *to = step(*to, from);
    }
}
