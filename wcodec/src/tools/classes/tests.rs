use super::*;
use crate::format::fields::ByteReader;
use crate::format::{CLASSES_FLOAT, CLASSES_PALETTE, CLASSES_VALUES};
use crate::samples::Sample;

/// Classifies samples and puts them together again; the bits that took.
fn round_trip<S: Number>(classes: &Classes, samples: &[S]) -> (Vec<u16>, usize) {
    let (mut found, mut bits) = (Vec::new(), BitWriter::default());
    classes.forward(samples, &mut found, &mut bits);
    assert!(
        found
            .iter()
            .all(|&class| usize::from(class) < classes.len())
    );
    let bytes = bits.finish().to_vec();
    let mut reader = BitReader::new(&bytes);
    let mut back = vec![S::ZERO; samples.len()];
    classes.inverse(&found, &mut reader, &mut back);
    assert!(reader.is_exhausted());
    assert_eq!(back, samples);
    let mut written = Vec::new();
    let sample_bits = u8::try_from(S::BITS).unwrap();
    classes.write(sample_bits, &mut written);
    let mut src = ByteReader::new(&written);
    assert_eq!(&Classes::read(&mut src, sample_bits).unwrap(), classes);
    assert!(src.rest().is_empty());
    assert!(classes.len() <= 1 << classes.symbol_bits());
    (found, bytes.len())
}

#[test]
fn every_pattern_of_16_bits_in_every_form() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    round_trip(&Classes::Tokens { sample_bits: 16 }, &all);
    for fraction_bits in [7, 10] {
        for (zero_bits, has_full) in [(0, false), (0, true), (3, true), (7, true)] {
            let classes = Classes::Float {
                exponent_bits: 15 - fraction_bits,
                fraction_bits,
                zero_bits,
                has_full,
            };
            round_trip(&classes, &all);
        }
    }
}

#[test]
fn wide_samples() {
    let numbers = |i: u32| u64::MAX.rotate_left(i * 7) >> (i % 64) ^ u64::from(i);
    let wide: Vec<u64> = (0..4000)
        .map(numbers)
        .chain([0, 1, u64::MAX, 1 << 63])
        .collect();
    let (found, _) = round_trip(&Classes::Tokens { sample_bits: 64 }, &wide);
    assert_eq!(found.iter().max(), Some(&255));
    let narrow: Vec<u32> = wide.iter().map(|wide| u32::from_low_bits(*wide)).collect();
    round_trip(&Classes::Tokens { sample_bits: 32 }, &narrow);
    let double = Classes::Float {
        exponent_bits: 11,
        fraction_bits: 52,
        zero_bits: 29,
        has_full: true,
    };
    round_trip(&double, &wide);
    let bytes: Vec<u8> = (0..=255).collect();
    round_trip(&Classes::Tokens { sample_bits: 8 }, &bytes);
    round_trip(&Classes::Values { bits: 8 }, &bytes);
}

#[test]
fn zeros_and_short_floats_store_few_bits() {
    let upcast = Classes::Float {
        exponent_bits: 8,
        fraction_bits: 23,
        zero_bits: 16,
        has_full: true,
    };
    assert_eq!(round_trip(&upcast, &vec![0u32; 1000]).1, 0);
    assert_eq!(round_trip(&upcast, &vec![0xbf81_0000u32; 1000]).1, 1000);
    assert_eq!(round_trip(&upcast, &vec![0xbf81_0001u32; 1000]).1, 3000);
}

#[test]
fn a_palette_has_each_value_once() {
    let samples: Vec<u32> = (0..5000u32)
        .map(|i| (i % 200).wrapping_mul(0x0101_4001))
        .collect();
    let mut values: Vec<u64> = samples.iter().map(|&sample| sample.into()).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(round_trip(&Classes::Palette(values.clone()), &samples).1, 0);
    let refused = |bytes: &[u8], bits| {
        Classes::read(&mut ByteReader::new(bytes), bits)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&[CLASSES_PALETTE, 1, 0, 7, 0, 7, 0], 16).contains("palette"));
    assert!(refused(&[CLASSES_PALETTE, 1, 0, 7, 0, 7], 16).contains("truncated"));
    assert!(refused(&[CLASSES_FLOAT, 10, 11, 0], 16).contains("floats"));
    assert!(refused(&[CLASSES_FLOAT, 15, 0, 0], 16).contains("floats"));
    assert!(refused(&[CLASSES_FLOAT, 2, 0, 0], 16).contains("floats"));
    assert!(refused(&[CLASSES_VALUES], 16).contains("values"));
    assert!(refused(&[9], 16).contains("kind of classes"));
}
