//! The sine transform of type IV, of 8 points: X(k) = 1/2 Σ x(i) sin((2i + 1) (2k + 1) π / 32).
//!
//! Mirrored points turned by odd multiples of π / 32; one half's cosine transform of type II and the other's sine
//! transform of type II, of 4 points, then joined (Plonka and Tasche, as for the cosine transform).

use super::lifting::Turn;

/// The turns in order; coefficient k then stands at [`PLACES`](super::PLACES)`[k]`.
pub(super) const TURNS: [Turn; 15] = [
    Turn(7, 0, 1),
    Turn(6, 1, 3),
    Turn(5, 2, 5),
    Turn(4, 3, 7),
    // Cosines of points 7, 6, 5, 4: frequency 0 at 6, 1 at 7, 2 at 4, 3 at 5.
    Turn(4, 7, 8),
    Turn(6, 5, 8),
    Turn(6, 4, 8),
    Turn(5, 7, 4),
    // Sines of points 0, 1, 2, 3: frequency 1 at 1, 2 at 0, 3 at 3, 4 at 2.
    Turn(3, 0, 8),
    Turn(1, 2, 8),
    Turn(2, 0, 8),
    Turn(1, 3, 4),
    // Frequencies 1, 2, 3 of both.
    Turn(7, 1, 8),
    Turn(4, 0, 8),
    Turn(5, 3, 8),
];
