use super::*;

fn every_split(mapping: Mapping, bits: u32) -> impl Iterator<Item = Split> {
    let bits = u8::try_from(bits).unwrap();
    (1..=bits.min(14)).flat_map(move |symbol_bits| {
        (0..=bits - symbol_bits).map(move |stored_bits| {
            let zero_bits = bits - symbol_bits - stored_bits;
            Split {
                mapping,
                symbol_bits,
                stored_bits,
                zero_bits,
            }
        })
    })
}

fn check<S: Sample>(value: S, split: Split) {
    let low_zero =
        value.magnitude(split.mapping).widen().trailing_zeros() >= u32::from(split.zero_bits);
    if low_zero && split.validated(S::BITS).is_ok() {
        let (symbol, stored) = value.forward(split);
        assert!(
            u32::from(symbol) >> split.symbol_bits == 0,
            "{value:?} {split:?}"
        );
        assert!(
            stored.widen() >> split.stored_bits == 0,
            "{value:?} {split:?}"
        );
        assert_eq!(S::inverse(symbol, stored, split), value, "{split:?}");
    }
}

#[test]
fn inverse_undoes_forward_for_every_16_bit_and_8_bit_pattern_and_split() {
    for mapping in [Mapping::Unsigned, Mapping::Zigzag, Mapping::Float] {
        for split in every_split(mapping, 16) {
            (0..=u16::MAX).for_each(|value| check(value, split));
        }
        for split in every_split(mapping, 8) {
            (0..=u8::MAX).for_each(|value| check(value, split));
        }
    }
}

#[test]
fn inverse_undoes_forward_for_wide_samples() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64; // xorshift64, fixed seed
    for mapping in [Mapping::Unsigned, Mapping::Zigzag, Mapping::Float] {
        for _ in 0..200 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            every_split(mapping, 64).for_each(|split| check(state << split.zero_bits, split));
            every_split(mapping, 32)
                .for_each(|split| check(u32::from_low_bits(state) << split.zero_bits, split));
        }
    }
}

#[test]
fn bf16_splits_into_exponent_and_sign_with_mantissa() {
    let split = Split {
        mapping: Mapping::Float,
        symbol_bits: 8,
        stored_bits: 8,
        zero_bits: 0,
    };
    assert_eq!(0xbfc1u16.forward(split), (0x7f, 0xc1)); // -1.5078125: exponent 127, sign 1, mantissa 0x41
}

#[test]
fn splits_that_do_not_fit_are_refused() {
    let split = |mapping, symbol_bits, stored_bits, zero_bits| {
        Split {
            mapping,
            symbol_bits,
            stored_bits,
            zero_bits,
        }
        .validated(16)
        .is_ok()
    };
    assert!(split(Mapping::Unsigned, 14, 2, 0));
    assert!(!split(Mapping::Unsigned, 0, 8, 0));
    assert!(!split(Mapping::Unsigned, 8, 8, 1));
    assert!(!split(Mapping::Unsigned, 15, 0, 0));
    assert!(split(Mapping::Float, 8, 8, 0));
    assert!(!split(Mapping::Float, 8, 0, 0));
}
