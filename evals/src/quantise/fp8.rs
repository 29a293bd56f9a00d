//! FP8 E4M3 (Micikevicius et al., arXiv:2209.05433).

/// The code nearest to `value` (ties to even), saturating at 448.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is rounded and in range"
)]
pub(super) fn e4m3(value: f32) -> u8 {
    let sign = if value.is_sign_negative() { 0x80 } else { 0 };
    let magnitude = value.abs().min(448.0);
    // Exponent of the binade, not below that of the subnormals.
    let exponent = (magnitude.to_bits() >> 23) as i32 - 127;
    let exponent = exponent.max(-6);
    let steps = (magnitude / 2f32.powi(exponent - 3)).round_ties_even() as u32; // 8 to 16 in a normal binade
    let biased = u32::try_from(exponent + 7).unwrap_or(0);
    // A carry out of the mantissa moves into the exponent by itself; subnormals have no implicit 8.
    let code = (biased << 3) + steps - 8;
    sign | code.min(0x7e) as u8
}

/// The value of a code; 480 in magnitude for the two codes of a NaN, which [`e4m3`] never gives.
pub(super) fn value(code: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(code >> 3 & 15), f32::from(code & 7));
    let magnitude = if exponent == 0 {
        mantissa * 2f32.powi(-9)
    } else {
        (8.0 + mantissa) * 2f32.powi(exponent - 10)
    };
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4m3_of_known_values() {
        let cases = [
            (0.0, 0),
            (1.0, 0x38),
            (-1.0, 0xb8),
            (448.0, 0x7e),
            (1e6, 0x7e),
            (0.001_953_125, 1),
            (1.0625, 0x38),
            (1.1875, 0x3a),
        ];
        for (value, code) in cases {
            assert_eq!(e4m3(value), code, "{value}");
        }
    }

    #[test]
    fn every_code_is_nearest_to_its_own_value() {
        for code in (0..=0xff).filter(|code| code & 0x7f != 0x7f) {
            assert_eq!(e4m3(value(code)), code);
        }
        assert_eq!(value(0xfe), -448.0);
    }
}
