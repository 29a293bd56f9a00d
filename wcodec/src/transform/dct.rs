//! The cosine transform of type II, of 8 points: X(k) = c(k) / 2 Σ x(i) cos((2i + 1) k π / 16), c(0) = √½, else 1.
//!
//! Sums and differences of mirrored points; the sums' transform of type II, of 4 points, gives the even coefficients,
//! the differences' of type IV the odd ones (G. Plonka and M. Tasche, Fast and numerically stable algorithms for
//! discrete cosine transforms, Linear Algebra Appl. 394, 2005, in which every factor is orthogonal).

use super::lifting::Turn;

/// The turns in order; coefficient k then stands at [`PLACES`](super::PLACES)`[k]`.
pub(super) const TURNS: [Turn; 13] = [
    // Sums at 7, 6, 5, 4; differences at 0, 1, 2, 3.
    Turn(7, 0, 8),
    Turn(6, 1, 8),
    Turn(5, 2, 8),
    Turn(4, 3, 8),
    // Type II of the sums: 0 at 6, 4 at 4, 2 at 7, 6 at 5.
    Turn(4, 7, 8),
    Turn(6, 5, 8),
    Turn(6, 4, 8),
    Turn(5, 7, 4),
    // Type IV of the differences: 1 at 1, 3 at 0, 5 at 3, 7 at 2.
    Turn(0, 3, 2),
    Turn(1, 2, 6),
    Turn(1, 0, 8),
    Turn(3, 2, 8),
    Turn(3, 0, 8),
];
