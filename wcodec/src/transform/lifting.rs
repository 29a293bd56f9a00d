//! Plane rotations by lifting: I. Daubechies and W. Sweldens, Factoring wavelet transforms into lifting steps,
//! J. Fourier Anal. Appl. 4, 1998; of fast cosine transforms: J. Liang and T. D. Tran, Fast multiplierless
//! approximations of the DCT with the lifting scheme, IEEE TSP 49, 2001.

use super::Block;
pub(super) use crate::format::{LIFTING_SINES as SINES, LIFTING_TANGENTS as TANGENTS};
use crate::samples::Number;

/// `Turn(a, b, k)` turns the plane of points a and b by φ = k π / 32, k from 1 to 8: a becomes a cos φ + b sin φ,
/// b becomes b cos φ - a sin φ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn(pub(super) usize, pub(super) usize, pub(super) usize);

impl Turn {
    /// The turns that the format lists.
    pub(super) const fn of<const N: usize>(listed: [[usize; 3]; N]) -> [Self; N] {
        let mut turns = [Self(0, 0, 0); N];
        let mut at = 0;
        while at < N {
            let [a, b, k] = listed[at];
            turns[at] = Self(a, b, k);
            at += 1;
        }
        turns
    }

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
