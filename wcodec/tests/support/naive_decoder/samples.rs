//! Sections 5.1 to 5.3: samples from symbols and planes.

use super::Part;

/// Section 5.3: the widths of the planes of `k` stored bits.
pub(super) fn plane_widths(k: u8) -> Vec<u8> {
    let mut widths: Vec<u8> = [1, 2, 4, 8]
        .into_iter()
        .filter(|width| k & width != 0)
        .collect();
    widths.extend(vec![16; usize::from(k / 16)]);
    widths
}

/// Appends the samples of a chunk.
pub(super) fn join_planes(
    symbols: &[u16],
    planes: &[&[u8]],
    sample_len: u64,
    part: &Part,
    out: &mut Vec<u8>,
) {
    let widths = plane_widths(part.stored_bits);
    for (i, &symbol) in symbols.iter().enumerate() {
        let mut stored = 0;
        for (&width, plane) in widths.iter().zip(planes) {
            stored = stored << width | unpack(plane, width, i);
        }
        let sample = join(symbol.into(), stored, sample_len * 8, part);
        out.extend(&sample.to_le_bytes()[..sample_len as usize]);
    }
}

/// The bits of sample `i` in a plane.
pub(super) fn unpack(plane: &[u8], width: u8, i: usize) -> u64 {
    if width == 16 {
        return u64::from(plane[2 * i]) | u64::from(plane[2 * i + 1]) << 8;
    }
    let bit = i * usize::from(width);
    u64::from(plane[bit / 8]) >> (bit % 8) & ((1 << width) - 1)
}

/// Sections 5.1 and 5.2: a sample of `n` bits from its symbol and its stored bits.
fn join(symbol: u64, stored: u64, n: u64, part: &Part) -> u64 {
    let (k, z) = (part.stored_bits, part.zero_bits);
    let b = if part.mapping == 2 { k - 1 } else { k };
    // Through 128 bits: 2^b and the shifts then exist for every b and z.
    let m = ((u128::from(symbol) << b) | (u128::from(stored) % (1 << b))) << z;
    let m = m as u64;
    match part.mapping {
        0 => m,
        // m = 2x for x >= 0 and -2x - 1 below.
        1 => (if m.is_multiple_of(2) { m / 2 } else { !(m / 2) }) & (u64::MAX >> (64 - n)),
        _ => stored >> (k - 1) << (n - 1) | m,
    }
}
