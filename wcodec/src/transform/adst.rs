//! The sine transform of type IV, of 8 points: X(k) = 1/2 Σ x(i) sin((2i + 1) (2k + 1) π / 32).
//!
//! Mirrored points turned by odd multiples of π / 32; one half's cosine transform of type II and the other's sine
//! transform of type II, of 4 points, then joined (Plonka and Tasche, as for the cosine transform).

use super::lifting::Turn;
use crate::format::ADST_TURNS;

/// The turns in order; coefficient k then stands at [`PLACES`](super::PLACES)`[k]`.
pub(super) const TURNS: [Turn; 15] = Turn::of(ADST_TURNS);
