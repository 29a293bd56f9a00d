use super::*;

#[test]
fn the_largest_weight_gets_the_largest_code() {
    let [int8, _] = Scheme::Int8Row.apply("w", &[64.0, -127.0, 31.6, 0.0], 4);
    assert_eq!(int8.bytes, [64, 129, 32, 0]);
    assert_eq!((int8.dtype, &*int8.shape), (Dtype::I8, &[1, 4][..]));
    let [int4, _] = Scheme::Int4Group128.apply("w", &[4.0, -7.0, 2.4, 0.0], 4);
    assert_eq!(int4.bytes, [12 | 1 << 4, 10 | 8 << 4]);
    assert!(int4.nibbles && int4.shape == [1, 2]);
    let [fp8, scale] = Scheme::Fp8Tensor.apply("w", &[448.0, -1.0], 1);
    assert_eq!(fp8.bytes, [0x7e, 0xb8]);
    assert_eq!((&*scale.name, scale.shape), ("w_scale", vec![1, 1]));
}

#[test]
fn groups_of_128_have_scales_of_their_own() {
    let weights: Vec<f32> = (0..256)
        .map(|i| if i < 128 { 127.0 } else { 254.0 })
        .collect();
    let [codes, scales] = Scheme::Int8Group128.apply("w", &weights, 256);
    assert_eq!(codes.bytes, [127; 256]);
    assert_eq!(scales.bytes, [0, 0x3c, 0, 0x40]); // 1 and 2
}

/// Rows of 192 weights: 128 and the 64 that are left, never a group of one row and the next.
#[test]
fn groups_end_with_their_row() {
    let levels = [1.0, 2.0, 4.0, 8.0];
    let lens = [128, 64, 128, 64];
    let row = |largest: f32| {
        let runs = levels.iter().zip(lens);
        let weights = runs.flat_map(move |(level, len)| vec![level * largest; len]);
        weights.collect::<Vec<f32>>()
    };
    let expected = levels
        .map(|level| f16::from_f32(level).to_le_bytes())
        .concat();
    let [codes, scales] = Scheme::Int8Group128.apply("w", &row(127.0), 192);
    assert_eq!((codes.shape, codes.bytes), (vec![2, 192], vec![127; 384]));
    assert_eq!((scales.shape, &scales.bytes), (vec![2, 2], &expected));
    let [codes, scales] = Scheme::Int4Group128.apply("w", &row(7.0), 192);
    assert_eq!((codes.shape, codes.bytes), (vec![2, 96], vec![0xff; 192]));
    assert_eq!((scales.shape, &scales.bytes), (vec![2, 2], &expected));
    for scheme in [
        Scheme::Int8Group128,
        Scheme::Int4Group128,
        Scheme::Int4Words,
    ] {
        let weights = row(if scheme == Scheme::Int8Group128 {
            127.0
        } else {
            7.0
        });
        assert_eq!(scheme.as_stored(&weights, 192), weights, "{scheme:?}");
    }
}

#[test]
fn odd_rows_of_nibbles_end_with_half_a_byte() {
    let weights = [7.0, 1.0, -7.0, 1.0, 7.0, 0.0];
    let [codes, scales] = Scheme::Int4Row.apply("w", &weights, 3);
    assert_eq!(
        (codes.shape, codes.bytes),
        (vec![2, 2], vec![0x9f, 0x01, 0xf9, 0x08])
    );
    assert_eq!(scales.shape, [2, 1]);
    assert_eq!(Scheme::Int4Row.as_stored(&weights, 3), weights);
}

#[test]
fn a_checkpoint_has_its_matrices_quantised_and_nothing_else() {
    let float = crate::tensor::Float::F32;
    let tensors = [
        float.tensor("a", &[1, 2], &[127.0, 1.0]),
        float.tensor("b", &[2], &[0.5, 2.0]),
    ];
    let quantised = Scheme::Int8Row.checkpoint(&tensors).unwrap();
    let names: Vec<&str> = quantised
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    assert_eq!(names, ["a", "a_scale", "b"]);
    assert_eq!(
        (&*quantised[0].bytes, &quantised[2]),
        (&[127, 1][..], &tensors[1])
    );
}

#[test]
fn words_hold_eight_codes_of_a_row_and_stand_side_by_side() {
    // Two rows of 16: the first counts from -8, the second has one weight.
    let mut weights: Vec<f32> = (-8i8..8).map(|i| f32::from(i.max(-7))).collect();
    weights.extend([0.0; 16]);
    weights[16 + 9] = 7.0;
    let [words, scales] = Scheme::Int4Words.apply("w", &weights, 16);
    assert_eq!(
        (words.dtype, &*words.shape, words.nibbles),
        (Dtype::I32, &[2, 2][..], true)
    );
    let expected = [0x7654_3211u32, 0x8888_8888, 0xfedc_ba98, 0x8888_88f8];
    assert_eq!(words.bytes, expected.map(u32::to_le_bytes).concat());
    assert_eq!(scales.shape, [1, 2]);
}

#[test]
fn words_have_the_scales_of_a_rows_groups_in_a_column() {
    let mut weights = vec![7.0; 2 * 136];
    weights[128..136].fill(14.0);
    weights[136..].fill(28.0);
    let [words, scales] = Scheme::Int4Words.apply("w", &weights, 136);
    assert_eq!(words.shape, [17, 2]);
    assert!(words.bytes.iter().all(|&byte| byte == 0xff));
    let expected = [1.0, 4.0, 2.0, 4.0].map(|scale| f16::from_f32(scale).to_le_bytes());
    assert_eq!(
        (scales.shape, scales.bytes),
        (vec![2, 2], expected.concat())
    );
}

#[test]
fn restored_weights_are_near_and_few() {
    let weights: Vec<f32> = (0..4096).map(|i| (i as f32 * 0.7).sin()).collect();
    for (scheme, most, error) in [
        (Scheme::Int8Tensor, 255, 0.004),
        (Scheme::Fp8Tensor, 253, 0.04),
        (Scheme::Int4Group128, 15 * 32, 0.08),
    ] {
        let restored = scheme.restored(&weights, 128);
        let pairs = weights.iter().zip(&restored);
        assert!(
            pairs.clone().all(|(a, b)| (a - b).abs() <= error),
            "{scheme:?}"
        );
        let mut bits: Vec<u32> = restored.iter().map(|value| value.to_bits()).collect();
        bits.sort_unstable();
        bits.dedup();
        assert!(bits.len() <= most, "{scheme:?}: {}", bits.len());
    }
}
