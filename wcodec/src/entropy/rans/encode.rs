//! rANS encoding (FORMAT.md 6.3): symbols in reverse, so that decoding goes forward.

use super::alias;
use super::table::Table;
use crate::format::{RANS_LANES, RANS_SCALE_BITS, RANS_STATE_MIN, RANS_WORD_BITS};

const LANES: usize = RANS_LANES as usize;

/// One symbol as the encoder needs it.
#[derive(Debug, Clone, Copy, Default)]
struct EncodeSymbol {
    /// ceil(2^44 / freq): the division by a multiplication.
    reciprocal: u64,
    freq: u32,
    /// Where the symbol's slots begin in `slots`.
    first: u32,
}

/// A table prepared for encoding: symbol value to frequency and slots.
#[derive(Debug)]
pub(crate) struct EncodeTable {
    /// By value; the escape stands for every value without a frequency of its own.
    symbols: Vec<EncodeSymbol>,
    /// Whether a value is coded as itself.
    is_direct: Vec<bool>,
    slots: Vec<u16>,
    has_escape: bool,
}

impl EncodeTable {
    /// Prepares `table` for symbols of `symbol_bits`.
    pub(crate) fn new(table: &Table, symbol_bits: u8) -> Self {
        let buckets = alias::buckets(&table.freqs, table.buckets_log2);
        let mut by_symbol: Vec<Vec<u16>> = vec![Vec::new(); table.freqs.len()];
        for (slot, symbol) in (0..1u16 << RANS_SCALE_BITS).zip(alias::slot_symbols(&buckets)) {
            by_symbol[usize::from(symbol)].push(slot);
        }
        let mut first = 0;
        let prepared: Vec<EncodeSymbol> = table
            .freqs
            .iter()
            .map(|&freq| {
                let symbol = EncodeSymbol {
                    reciprocal: (1u64 << 44).div_ceil(u64::from(freq)),
                    freq: u32::from(freq),
                    first,
                };
                first += u32::from(freq);
                symbol
            })
            .collect();
        let escape = if table.has_escape {
            prepared.last().copied().unwrap_or_default()
        } else {
            EncodeSymbol::default()
        };
        let mut symbols = vec![escape; 1 << symbol_bits];
        let mut is_direct = vec![false; 1 << symbol_bits];
        for (&value, symbol) in table.values.iter().zip(prepared) {
            symbols[usize::from(value)] = symbol;
            is_direct[usize::from(value)] = true;
        }
        Self {
            symbols,
            is_direct,
            slots: by_symbol.concat(),
            has_escape: table.has_escape,
        }
    }

    /// Whether there is an escape.
    pub(crate) fn has_escape(&self) -> bool {
        self.has_escape
    }

    /// Whether `value` is coded as itself, not as an escape.
    pub(crate) fn is_direct(&self, value: u16) -> bool {
        self.is_direct[usize::from(value)]
    }
}

/// Encodes chunks; keeps its buffer from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    words: Vec<u16>,
}

impl Encoder {
    /// Appends the states and the words of `symbols` to `out`.
    ///
    /// # Panics
    ///
    /// If a symbol's value has no frequency and the table no escape.
    pub(crate) fn encode(&mut self, table: &EncodeTable, symbols: &[u16], out: &mut Vec<u8>) {
        // A symbol costs at most 12 bits: at most one word each.
        self.words.clear();
        self.words.resize(symbols.len() + 1, 0);
        let mut states = [RANS_STATE_MIN; LANES];
        let mut at = self.words.len();
        let tail_len = symbols.len() % LANES;
        let (groups, tail) = symbols.split_at(symbols.len() - tail_len);
        for group in std::iter::once(tail).chain(groups.chunks_exact(LANES).rev()) {
            for (state, &value) in states[..group.len()].iter_mut().zip(group).rev() {
                let symbol = table.symbols[usize::from(value)];
                debug_assert!(symbol.freq > 0, "value {value} is not in the table");
                // freq * 2^20 - 1 <= u32::MAX; below the bound nothing is written, and the word is overwritten.
                let limit = u64::from(symbol.freq) << (32 - RANS_SCALE_BITS);
                let flush = u64::from(*state) >= limit;
                self.words[at - 1] = low_word(*state);
                at -= usize::from(flush);
                let x = if flush {
                    *state >> RANS_WORD_BITS
                } else {
                    *state
                };
                let quotient = divide(x, symbol.reciprocal);
                let rank = x - quotient * symbol.freq;
                let slot = table.slots[(symbol.first + rank) as usize];
                *state = (quotient << RANS_SCALE_BITS) + u32::from(slot);
            }
        }
        for state in states {
            out.extend(state.to_le_bytes());
        }
        out.extend(self.words[at..].iter().flat_map(|word| word.to_le_bytes()));
    }
}

#[inline]
fn low_word(state: u32) -> u16 {
    let [a, b, _, _] = state.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// floor(x / freq) for x < freq * 2^20, freq <= 2^12, `reciprocal` = ceil(2^44 / freq).
///
/// With e = reciprocal * freq - 2^44 < freq, the error x * e / (freq * 2^44) is below 1 / freq because
/// x * e < 2^32 * 2^12; and x * reciprocal < 2^64 (Granlund and Montgomery, PLDI 1994).
#[inline]
fn divide(x: u32, reciprocal: u64) -> u32 {
    (u64::from(x).wrapping_mul(reciprocal) >> 44) as u32
}

#[cfg(test)]
mod tests {
    use super::super::{DecodeTable, Decoder};
    use super::*;
    use crate::entropy::histogram::normalise;
    use crate::entropy::simd::Isa;

    #[test]
    fn division_is_exact_at_every_boundary() {
        for freq in 1..=4096u32 {
            let reciprocal = (1u64 << 44).div_ceil(u64::from(freq));
            let top = u32::try_from((u64::from(freq) << 20) - 1).unwrap();
            let near_multiples = (0..=20).map(|log2| freq.saturating_mul(1 << log2).min(top));
            for x in near_multiples.chain([top, top - top % freq]) {
                for x in [x.saturating_sub(1), x, x.saturating_add(1).min(top)] {
                    assert_eq!(divide(x, reciprocal), x / freq, "{x} / {freq}");
                }
            }
        }
    }

    fn table_of(symbols: &[u16], buckets_log2: u32) -> Table {
        let mut counts = vec![0u64; 256];
        symbols.iter().for_each(|&s| counts[usize::from(s)] += 1);
        let values: Vec<u16> = (0..256u16)
            .filter(|&v| counts[usize::from(v)] > 0)
            .collect();
        let counts: Vec<u64> = values.iter().map(|&v| counts[usize::from(v)]).collect();
        Table {
            buckets_log2,
            has_escape: false,
            freqs: normalise(&counts),
            values,
        }
    }

    fn round_trip(symbols: &[u16], buckets_log2: u32) -> usize {
        let table = table_of(symbols, buckets_log2);
        let mut coded = Vec::new();
        Encoder::default().encode(&EncodeTable::new(&table, 8), symbols, &mut coded);
        let expanded = DecodeTable::new(&table);
        for isa in Isa::available() {
            let mut decoder = Decoder::new(&coded).unwrap();
            let mut back = vec![0xaaaa; symbols.len()];
            let cut = back.len() / 2 / 32 * 32;
            let (first, second) = back.split_at_mut(cut);
            decoder.decode_with(isa, &expanded, first).unwrap();
            decoder.decode_with(isa, &expanded, second).unwrap();
            decoder.finish().unwrap();
            assert_eq!(back, symbols, "{isa:?}");
        }
        coded.len()
    }

    #[test]
    fn decodes_what_was_encoded_at_every_tail_length() {
        for len in (1..100).chain([4096, 5000]) {
            let skewed: Vec<u16> = (0..len)
                .map(|i: u32| u16::try_from(i.pow(2).trailing_zeros() % 20).unwrap())
                .collect();
            let uniform: Vec<u16> = (0..len)
                .map(|i: u32| u16::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap())
                .collect();
            round_trip(&skewed, 5);
            round_trip(&skewed, 8);
            round_trip(&uniform, 8);
            assert!(
                round_trip(&vec![7; len as usize], 5) == 128,
                "a certain symbol costs nothing"
            );
        }
    }

    #[test]
    fn words_that_run_out_or_stay_over_are_refused() {
        let symbols: Vec<u16> = (0..1000u32)
            .map(|i| u16::try_from(i.wrapping_mul(2_654_435_761) >> 27).unwrap())
            .collect();
        let table = table_of(&symbols, 5);
        let (mut coded, mut out) = (Vec::new(), vec![0; 1000]);
        Encoder::default().encode(&EncodeTable::new(&table, 8), &symbols, &mut coded);
        let expanded = DecodeTable::new(&table);
        let mut run = |bytes: &[u8]| {
            let mut decoder = Decoder::new(bytes)?;
            decoder.decode(&expanded, &mut out)?;
            decoder.finish()
        };
        assert!(run(&coded).is_ok());
        assert!(run(&coded[..coded.len() - 2]).is_err());
        assert!(run(&coded[..coded.len() - 1]).is_err());
        assert!(run(&coded[..100]).is_err());
        assert!(run(&[&coded[..], &[0, 0]].concat()).is_err());
        assert!(run(&[&[0; 4], &coded[4..]].concat()).is_err());
    }
}
