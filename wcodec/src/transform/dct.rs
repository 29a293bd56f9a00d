//! The cosine transform of type II, of 8 points: X(k) = c(k) / 2 Σ x(i) cos((2i + 1) k π / 16), c(0) = √½, else 1.
//!
//! Sums and differences of mirrored points; the sums' transform of type II, of 4 points, gives the even coefficients,
//! the differences' of type IV the odd ones (G. Plonka and M. Tasche, Fast and numerically stable algorithms for
//! discrete cosine transforms, Linear Algebra Appl. 394, 2005, in which every factor is orthogonal).

use super::lifting::Turn;
use crate::format::DCT_TURNS;

/// The turns in order; coefficient k then stands at [`PLACES`](super::PLACES)`[k]`.
pub(super) const TURNS: [Turn; 13] = Turn::of(DCT_TURNS);
