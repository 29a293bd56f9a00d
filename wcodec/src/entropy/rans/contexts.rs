//! rANS with a table for each context of a symbol, where the context follows from the symbols before
//! (FORMAT.md, section 6.4). Scalar: the lanes of one group look in different tables.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::decode::{DecodeTable, Decoder, LANES, OUT_OF_WORDS, SLOT_MASK, renormalised, step};
use crate::error::ErrorKind;

/// Decodes `symbols.len()` symbols from `coded`: states and words, nothing else. `table_of(index, before)` is the table
/// of a symbol, given all symbols of the groups of 32 before its own.
///
/// # Errors
///
/// `Malformed` (rules 6.3 and 6.4).
///
/// # Panics
///
/// Never, for any input.
pub(crate) fn decode(
    tables: &[DecodeTable],
    coded: &[u8],
    symbols: &mut [u16],
    table_of: impl Fn(usize, &[u16]) -> u8,
) -> Result<(), ErrorKind> {
    let mut decoder = Decoder::new(tables.first().ok_or(NO_TABLE)?, coded)?;
    let mut first = 0;
    while first < symbols.len() {
        let (before, rest) = symbols.split_at_mut_checked(first).ok_or(OUT_OF_WORDS)?;
        for ((state, out), index) in decoder.states.iter_mut().zip(rest).zip(first..) {
            let table = tables.get(usize::from(table_of(index, before)));
            let table = table.ok_or(NO_TABLE)?;
            let slot = table.kernel().slot(*state & SLOT_MASK);
            *out = table.values().symbol(slot.code);
            *state = renormalised(step(slot, *state), &mut decoder.words)?;
        }
        first += LANES;
    }
    decoder.finish()
}

const NO_TABLE: ErrorKind = ErrorKind::Malformed {
    what: "table of a context",
    rule: "6.4",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::rans::{EncodeTable, Encoder, Table};
    use crate::entropy::simd::Isa;

    #[test]
    fn each_symbol_comes_from_the_table_of_its_context() {
        let table = |values: [u16; 2], freqs: [u16; 2]| Table {
            buckets_log2: 5,
            has_escape: false,
            values: values.to_vec(),
            freqs: freqs.to_vec(),
        };
        let tables = [
            table([0, 1], [4000, 96]),
            table([0, 1], [96, 4000]),
            table([1, 900], [2048, 2048]),
        ];
        // By the symbol 33 places before, as a neighbour above would be.
        let context = |index: usize, before: &[u16]| match index.checked_sub(33) {
            Some(at) => u8::try_from(before[at] % 3).unwrap(),
            None => 2,
        };
        let mut symbols: Vec<u16> = Vec::new();
        for index in 0..1000usize {
            let which = usize::from(context(index, &symbols));
            let pick = usize::from(index * index % 7 < 3);
            symbols.push(tables[which].values[pick]);
        }
        let encoders: Vec<EncodeTable> = tables
            .iter()
            .map(|table| EncodeTable::new(table, 10))
            .collect();
        let decoders: Vec<DecodeTable> = tables
            .iter()
            .map(|table| DecodeTable::new(table, Isa::Scalar))
            .collect();
        for len in [1, 31, 32, 33, 999, 1000] {
            let symbols = &symbols[..len];
            let chosen: Vec<u8> = (0..len).map(|index| context(index, symbols)).collect();
            let mut encoder = Encoder::default();
            let coded = encoder.encode_in_contexts(&encoders, &chosen, symbols);
            let mut bytes = vec![0; coded.len()];
            coded.write(&mut bytes);
            let mut decoded = vec![7; len];
            decode(&decoders, &bytes, &mut decoded, context).unwrap();
            assert_eq!(decoded, symbols);
            assert!(decode(&decoders, &bytes[..bytes.len() - 2], &mut decoded, context).is_err());
            assert!(decode(&decoders[..2], &bytes, &mut decoded, context).is_err());
        }
    }
}
