use std::f64::consts::PI;

use super::lifting::{SINES, TANGENTS};
use super::*;

fn noise() -> impl Iterator<Item = i64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64; // xorshift64, fixed seed
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.cast_signed()
    })
}

/// Noise, extremes that take turns, and one value.
fn contents<S: Number>(len: usize) -> [Vec<S>; 3] {
    let least = i64::MIN >> (64 - S::BITS);
    let extremes = [least, !least].into_iter().cycle();
    [
        noise().map(S::truncated).take(len).collect(),
        extremes.map(S::truncated).take(len).collect(),
        vec![S::truncated(least); len],
    ]
}

const SHAPES: [(usize, usize); 11] = [
    (1, 0),
    (1, 1),
    (1, 100),
    (7, 7 * 9),
    (8, 7),
    (8, 63),
    (8, 64),
    (9, 9 * 8 + 4),
    (17, 17 * 17),
    (64, 64 * 20 + 1),
    (100, 50),
];

fn check_width<S: Number>() {
    for (row, len) in SHAPES {
        for samples in contents::<S>(len) {
            for kind in Transform::ALL {
                let mut found = samples.clone();
                forward(kind, row, &mut found);
                for (index, (found, sample)) in found.iter().zip(&samples).enumerate() {
                    let stays = kind == Transform::None || band(row, len, index) == 0;
                    assert!(
                        !stays || found == sample,
                        "{kind:?}, {index} in rows of {row}"
                    );
                }
                let changes = kind != Transform::None && row >= 8 && len >= 8 * row;
                assert_eq!(
                    found != samples,
                    changes,
                    "{kind:?}, {len} in rows of {row}"
                );
                inverse(kind, row, &mut found);
                assert_eq!(found, samples, "{kind:?}, {len} in rows of {row}");
            }
        }
    }
}

#[test]
fn inverse_undoes_forward_for_every_width_kind_and_shape() {
    check_width::<u8>();
    check_width::<u16>();
    check_width::<u32>();
    check_width::<u64>();
}

#[test]
fn constants_are_tangents_and_sines() {
    let fixed = |real: f64| real * f64::from(1 << 14);
    for (k, (tangent, sine)) in (1..).zip(TANGENTS.into_iter().zip(SINES)) {
        let angle = f64::from(k) * PI / 32.0;
        let rounded = fixed((angle / 2.0).tan());
        let rounded = if k == 8 {
            rounded.ceil()
        } else {
            rounded.round()
        };
        assert_eq!(f64::from(tangent), rounded, "{k}");
        assert_eq!(f64::from(sine), fixed(angle.sin()).round(), "{k}");
    }
    let [tangent, sine] =
        [TANGENTS[7], SINES[7]].map(|fixed| f64::from(fixed) / f64::from(1 << 14));
    assert!(((1.0 + tangent) * sine - 1.0).abs() < f64::from(1 << 18).recip());
}

/// Factor of sample `i` in coefficient `k`.
fn basis(kind: Transform, k: u32, i: u32) -> f64 {
    let [k, i] = [k, i].map(f64::from);
    match kind {
        Transform::None => f64::from(u8::from(k == i)),
        Transform::Dct if k == 0.0 => 8f64.sqrt().recip(),
        Transform::Dct => 0.5 * ((2.0 * i + 1.0) * k * PI / 16.0).cos(),
        Transform::Adst => 0.5 * ((2.0 * i + 1.0) * (2.0 * k + 1.0) * PI / 32.0).sin(),
    }
}

fn transformed<S: Number>(kind: Transform, points: [i64; 8]) -> [i64; 8] {
    let points = points.map(|point| [S::truncated(point); 8]);
    forward_points(kind.turns(), points).map(|lanes| lanes[0].signed())
}

/// The differences from the real transform over many inputs of `-1000..=1000`.
fn differences<S: Number>(kind: Transform) -> Vec<f64> {
    let mut noise = noise().map(|value| value % 1001);
    let mut differences = Vec::new();
    for _ in 0..20_000 {
        let points: [i64; 8] = std::array::from_fn(|_| noise.next().unwrap());
        for (k, found) in (0..).zip(transformed::<S>(kind, points)) {
            let terms = (0..).zip(points).map(|(i, x)| basis(kind, k, i) * x as f64);
            differences.push((terms.sum::<f64>() - found as f64).abs());
        }
    }
    differences
}

#[test]
fn small_inputs_come_within_two_units_of_the_real_transform() {
    for kind in [Transform::Dct, Transform::Adst] {
        let found = differences::<u16>(kind);
        assert_eq!(found, differences::<u32>(kind), "{kind:?}");
        let len = found.len() as f64;
        let mean_square = found.iter().map(|found| found * found).sum::<f64>() / len;
        assert!(mean_square < 0.5, "{kind:?}: {mean_square}");
        // Up to eighteen roundings meet in a coefficient, and seldom all one way.
        let beyond = found.iter().filter(|&&found| found > 2.0).count() as f64;
        assert!(beyond < len / 200.0, "{kind:?}: {beyond} of {len}");
        assert!(found.iter().all(|&found| found < 4.0), "{kind:?}");
    }
}

#[test]
fn a_constant_block_has_only_its_first_coefficient() {
    for value in -4000..=4000i64 {
        let mut samples = [u16::truncated(value); 64];
        forward(Transform::Dct, 8, &mut samples);
        let difference = samples[0].signed() - 8 * value;
        assert!(difference.abs() <= 8, "{value}: {difference}");
        assert!(samples[1..].iter().all(|&rest| rest == 0), "{value}");
    }
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "waves of 2000")]
fn rows_come_before_columns_and_places_are_frequencies() {
    // A cosine along the columns' index, and one along the rows'.
    for (u, v) in [(0, 3), (5, 0), (2, 6)] {
        let wave = |index: u32| {
            2000.0 * basis(Transform::Dct, u, index / 8) * basis(Transform::Dct, v, index % 8)
        };
        let mut samples: Vec<u32> = (0..64)
            .map(|index| u32::truncated(wave(index).round() as i64))
            .collect();
        forward(Transform::Dct, 8, &mut samples);
        for (index, found) in (0..).zip(samples) {
            let expected = if index == 8 * u + v { 2000 } else { 0 };
            assert!(
                (found.signed() - expected).abs() <= 5,
                "({u}, {v}) at {index}: {found}"
            );
        }
    }
    let samples: [u16; 64] = std::array::from_fn(|index| if index % 8 < 4 { 3 } else { 1000 });
    let mut found = samples;
    forward(Transform::Dct, 8, &mut found);
    let row = samples[..8].iter().map(|&x| x.signed()).collect::<Vec<_>>();
    let first = transformed::<u16>(Transform::Dct, row.try_into().unwrap());
    for (v, first) in first.into_iter().enumerate() {
        assert_eq!(
            found[v].signed(),
            transformed::<u16>(Transform::Dct, [first; 8])[0]
        );
    }
}

/// Made by a program in another language that follows FORMAT.md.
#[test]
fn known_coefficients() {
    let ramp = [1, 2, 3, 4, 5, 6, 7, 8];
    let dct = transformed::<u16>(Transform::Dct, ramp);
    assert_eq!(dct, [12, -7, 0, 0, 1, 0, 0, 1]);
    let adst = transformed::<u16>(Transform::Adst, ramp);
    assert_eq!(adst, [14, -1, 2, 0, 0, 0, 0, 0]);

    let wrapping = [127, -128, 127, -128, 0, 1, -1, 100];
    let dct = transformed::<u8>(Transform::Dct, wrapping);
    assert_eq!(dct, [126, -69, 95, 28, 64, -76, -99, -113]);
    let adst = transformed::<u8>(Transform::Adst, wrapping);
    assert_eq!(adst, [-48, 94, 112, 97, -3, 32, -125, -106]);

    let widest: [i64; 8] = std::array::from_fn(|i| if i % 2 == 0 { i64::MAX } else { i64::MIN });
    let dct = transformed::<u64>(Transform::Dct, widest);
    assert_eq!(
        dct[..2],
        [8_567_980_716_126_059_684, -1_947_786_402_976_191_926]
    );
    let adst = transformed::<u64>(Transform::Adst, widest);
    assert_eq!(
        adst[6..],
        [7_018_247_982_487_174_140, -7_965_362_756_343_411_018]
    );
}

#[test]
fn bands_rise_with_frequency_inside_whole_blocks() {
    assert_eq!(band(8, 64, 0), 1);
    assert_eq!(band(8, 64, 9), 3);
    assert_eq!(band(8, 64, 63), 15);
    assert_eq!(band(8, 63, 0), 0);
    assert_eq!(band(7, 700, 0), 0);
    assert_eq!((band(9, 72, 7), band(9, 72, 8), band(9, 72, 9)), (8, 0, 2));
    assert_eq!(
        (band(16, 128, 8), band(16, 140, 127), band(16, 140, 128)),
        (1, 15, 0)
    );
    assert!((0..64).all(|index| usize::from(band(8, 64, index)) < crate::format::NUM_BANDS));
}

#[test]
fn ids_and_names_are_fixed_and_others_unsupported() {
    for (id, transform) in (0..).zip(Transform::ALL) {
        assert_eq!(Transform::try_from(id).unwrap(), transform);
    }
    assert_eq!(Transform::ALL.map(Transform::name), ["none", "dct", "adst"]);
    let error = Transform::try_from(3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "transform 3 is not supported by this build; upgrade wcodec"
    );
}
