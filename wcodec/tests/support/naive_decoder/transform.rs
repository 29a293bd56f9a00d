//! Section 5.7: transforms.

use super::numbers::wrap;

/// `t[k]` and `s[k]`.
const T: [i128; 9] = [0, 805, 1614, 2430, 3259, 4104, 4970, 5862, 6787];
const S: [i128; 9] = [0, 1606, 3196, 4756, 6270, 7723, 9102, 10394, 11585];

const PLACE: [usize; 8] = [6, 1, 7, 0, 4, 3, 5, 2];

const DCT: &[(usize, usize, usize)] = &[
    (7, 0, 8),
    (6, 1, 8),
    (5, 2, 8),
    (4, 3, 8),
    (4, 7, 8),
    (6, 5, 8),
    (6, 4, 8),
    (5, 7, 4),
    (0, 3, 2),
    (1, 2, 6),
    (1, 0, 8),
    (3, 2, 8),
    (3, 0, 8),
];

const ADST: &[(usize, usize, usize)] = &[
    (7, 0, 1),
    (6, 1, 3),
    (5, 2, 5),
    (4, 3, 7),
    (4, 7, 8),
    (6, 5, 8),
    (6, 4, 8),
    (5, 7, 4),
    (3, 0, 8),
    (1, 2, 8),
    (2, 0, 8),
    (1, 3, 4),
    (7, 1, 8),
    (4, 0, 8),
    (5, 3, 8),
];

fn scaled(f: i128, v: i128) -> i128 {
    (f * v + 8192) >> 14
}

/// The points of 8 coefficients, with transform 1 or 2.
pub(crate) fn inverse_points(coefficients: [i128; 8], transform: u8, n: u32) -> [i128; 8] {
    let mut p = [0; 8];
    for (&place, coefficient) in PLACE.iter().zip(coefficients) {
        p[place] = coefficient;
    }
    let turns = if transform == 1 { DCT } else { ADST };
    for &(a, b, k) in turns.iter().rev() {
        p[a] = wrap(p[a] - scaled(T[k], p[b]), n);
        p[b] = wrap(p[b] + scaled(S[k], p[a]), n);
        p[a] = wrap(p[a] - scaled(T[k], p[b]), n);
    }
    p
}

/// Whether number `i` of `s`, in rows of `w`, lies in a block.
fn in_block(i: usize, s: usize, w: usize) -> bool {
    let full_rows = s / w;
    i / w < full_rows / 8 * 8 && i % w < w / 8 * 8
}

/// The band of number `i` of `s`, in rows of `w`.
pub(super) fn band(i: usize, s: usize, w: usize) -> usize {
    if in_block(i, s, w) {
        (1 + i / w % 8 + i % w % 8).min(15)
    } else {
        0
    }
}

/// Undoes the transform of every block: first of its columns, then of its rows.
pub(super) fn inverse(numbers: &mut [i128], w: usize, transform: u8, n: u32) {
    let s = numbers.len();
    for corner in (0..s)
        .filter(|&i| (i / w).is_multiple_of(8) && (i % w).is_multiple_of(8) && in_block(i, s, w))
    {
        for (of_line, of_point) in [(1, w), (w, 1)] {
            for line in 0..8 {
                let at = |point: usize| corner + line * of_line + point * of_point;
                let coefficients = std::array::from_fn(|point| numbers[at(point)]);
                let points = inverse_points(coefficients, transform, n);
                (0..8).for_each(|point| numbers[at(point)] = points[point]);
            }
        }
    }
}
