use super::*;

/// The rules as FORMAT.md states them, one sample after the other, in arithmetic that cannot overflow.
fn naive<S: Number>(of_tile: impl Fn(usize) -> Predictor, row: usize, samples: &[S]) -> Vec<S> {
    let number = |r: usize, c: usize| i128::from(samples[r * row + c].signed());
    let residual = |index: usize| {
        let (r, c) = (index / row, index % row);
        let left = match (r, c) {
            (0, 0) => 0,
            (_, 0) => number(r - 1, 0),
            _ => number(r, c - 1),
        };
        let top = if r == 0 { left } else { number(r - 1, c) };
        let top_left = match (r, c) {
            (0, _) => left,
            (_, 0) => top,
            _ => number(r - 1, c - 1),
        };
        let top_top = if r < 2 { top } else { number(r - 2, c) };
        let left_left = if c < 2 { left } else { number(r, c - 2) };
        let prediction = match of_tile(r / 16 * row.div_ceil(16) + c / 16) {
            Predictor::None => 0,
            Predictor::Left => left,
            Predictor::Top => top,
            Predictor::Average => (left + top).div_euclid(2),
            Predictor::Planar => left + top - top_left,
            Predictor::TopSlope => 2 * top - top_top,
            Predictor::LeftSlope => 2 * left - left_left,
        };
        let residual = (number(r, c) - prediction) & i128::from(u64::MAX);
        let [low, high] =
            [residual & 0xffff_ffff, residual >> 32].map(|half| i64::try_from(half).unwrap());
        S::truncated((high << 32) | low)
    };
    (0..samples.len()).map(residual).collect()
}

/// Noise, extremes that take turns, and one value.
fn contents<S: Number>(len: usize) -> [Vec<S>; 3] {
    let mut state = 0x9e37_79b9_7f4a_7c15u64; // xorshift64, fixed seed
    let noise = (0..len).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        S::truncated(state.cast_signed())
    });
    let least = i64::MIN >> (64 - S::BITS);
    let extremes = [least, !least].into_iter().cycle();
    [
        noise.collect(),
        extremes.map(S::truncated).take(len).collect(),
        vec![S::truncated(!least); len],
    ]
}

const SHAPES: [(usize, usize); 15] = [
    (1, 0),
    (1, 1),
    (1, 40),
    (2, 5),
    (3, 3),
    (7, 20),
    (8, 64),
    (9, 200),
    (16, 256),
    (16, 257),
    (17, 17 * 33),
    (33, 33 * 17 + 5),
    (40, 100),
    (100, 7),
    (100, 100),
];

fn check<S: Number>(predictors: Predictors<'_>, row: usize, samples: &[S]) {
    let expected = naive(
        |tile| match predictors {
            Predictors::One(predictor) => predictor,
            Predictors::PerTile(all) => all[tile],
        },
        row,
        samples,
    );
    let mut found = samples.to_vec();
    forward(predictors, row, &mut found);
    assert_eq!(found, expected, "{predictors:?}, rows of {row}");
    inverse(predictors, row, &mut found);
    assert_eq!(found, samples, "{predictors:?}, rows of {row}");
}

fn check_width<S: Number>() {
    for (row, len) in SHAPES {
        for samples in contents::<S>(len) {
            for predictor in Predictor::ALL {
                check(Predictors::One(predictor), row, &samples);
                let mut order = Predictor::ALL.into_iter().cycle();
                order.find(|&first| first == predictor);
                let per_tile: Vec<_> = order.take(tiles(row, len)).collect();
                check(Predictors::PerTile(&per_tile), row, &samples);
            }
        }
    }
}

#[test]
fn forward_follows_the_rules_and_inverse_undoes_it() {
    check_width::<u8>();
    check_width::<u16>();
    check_width::<u32>();
    check_width::<u64>();
}

/// The residuals of r * `down` + c * `right`.
fn residuals_of_ramp(predictor: Predictor, down: u16, right: u16) -> Vec<u16> {
    let place = |index: u16| (index / 32, index % 32);
    let ramp = |(r, c)| down.wrapping_mul(r).wrapping_add(right.wrapping_mul(c));
    let mut samples: Vec<u16> = (0..32 * 32).map(place).map(ramp).collect();
    forward(Predictors::One(predictor), 32, &mut samples);
    samples
}

#[test]
fn ramps_leave_nothing_of_slopes_and_planes_away_from_edges() {
    for (predictor, far_edge) in [
        (Predictor::Planar, 1),
        (Predictor::TopSlope, 2),
        (Predictor::LeftSlope, 2),
    ] {
        // Steep enough to wrap.
        let residuals = residuals_of_ramp(predictor, 5000, 777);
        for row in residuals.chunks(32).skip(far_edge) {
            assert_eq!(row[far_edge..], [0; 32][far_edge..], "{predictor:?}");
        }
    }
    // Not trivially: the simple predictors leave the step.
    let tops = residuals_of_ramp(Predictor::Top, 5000, 777);
    assert!(tops[32..].iter().all(|&residual| residual == 5000));
}

#[test]
fn known_residuals() {
    let samples = [10u8, 13, 14, 20, 250, 9];
    let of = |predictor| {
        let mut samples = samples;
        forward(Predictors::One(predictor), 3, &mut samples);
        samples
    };
    assert_eq!(of(Predictor::Left), [10, 3, 1, 10, 230, 15]);
    assert_eq!(of(Predictor::Top), [10, 3, 1, 10, 237, 251]);
    // 250 is -6: half of -6 + 14 is 4.
    assert_eq!(of(Predictor::Average), [10, 3, 1, 10, 234, 5]);
    assert_eq!(of(Predictor::Planar), [10, 3, 1, 10, 227, 14]);
    assert_eq!(of(Predictor::TopSlope), [10, 3, 1, 10, 237, 251]);
    assert_eq!(of(Predictor::LeftSlope), [10, 3, 254, 10, 230, 41]);
}

#[test]
fn tiles_cover_partial_rows_and_columns() {
    assert_eq!(tiles(1, 0), 0);
    assert_eq!(tiles(1, 1), 1);
    assert_eq!(tiles(16, 256), 1);
    assert_eq!(tiles(16, 257), 2);
    assert_eq!(tiles(17, 17 * 16), 2);
    assert_eq!(tiles(33, 33 * 40), 9);
}

#[test]
fn a_tile_without_a_predictor_stays_as_it_is() {
    let mut samples = [5u16; 40];
    forward(Predictors::PerTile(&[Predictor::Left]), 40, &mut samples);
    assert_eq!(
        samples[..16],
        [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(samples[16..], [5; 24]);
    inverse(Predictors::PerTile(&[Predictor::Left]), 40, &mut samples);
    assert_eq!(samples, [5; 40]);
}

#[test]
fn ids_and_names_are_fixed_and_others_unsupported() {
    for (id, predictor) in (0..).zip(Predictor::ALL) {
        assert_eq!(Predictor::try_from(id).unwrap(), predictor);
    }
    let names = Predictor::ALL.map(Predictor::name);
    assert_eq!(
        names.join(" "),
        "none left top average planar top-slope left-slope"
    );
    let error = Predictor::try_from(7).unwrap_err();
    assert_eq!(
        error.to_string(),
        "predictor 7 is not supported by this build; upgrade wcodec"
    );
}
