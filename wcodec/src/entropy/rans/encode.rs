//! rANS encoding (FORMAT.md 6.3): symbols in reverse, so that decoding goes forward.

use super::alias;
use super::table::Table;
#[cfg(target_arch = "x86_64")]
use crate::entropy::simd::encode_avx2::{self, Groups, VectorTable};
use crate::entropy::simd::{Isa, Work};
use crate::format::{RANS_LANES, RANS_SCALE_BITS, RANS_STATE_MIN, RANS_WORD_BITS};

const LANES: usize = RANS_LANES as usize;

/// One symbol as the encoder needs it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EncodeSymbol {
    /// ceil(2^44 / freq): the division by a multiplication.
    reciprocal: u64,
    /// 0 for a value that the table cannot code.
    pub(crate) freq: u32,
    /// Where the symbol's slots begin in [`SymbolTable::slots`].
    pub(crate) first: u32,
}

/// A symbol's value as the encoder holds it: `u8` where 8 bits are enough, else `u16`.
pub(crate) trait Symbol: Copy + Default + Into<u16> + Send + Sync {
    /// The low bits of `value`.
    fn truncate(value: u16) -> Self;
    /// Whether this is one of the values from `first` to `last`.
    fn is_within(self, first: Self, last: Self) -> bool;
    /// For the vector encoders.
    #[cfg(target_arch = "x86_64")]
    fn groups(groups: &[[Self; LANES]]) -> Groups<'_>;
}

impl Symbol for u8 {
    #[inline(always)]
    fn truncate(value: u16) -> Self {
        value.to_le_bytes()[0]
    }

    #[inline(always)]
    fn is_within(self, first: Self, last: Self) -> bool {
        self.wrapping_sub(first) <= last.wrapping_sub(first)
    }

    #[cfg(target_arch = "x86_64")]
    fn groups(groups: &[[Self; LANES]]) -> Groups<'_> {
        Groups::Narrow(groups)
    }
}

impl Symbol for u16 {
    #[inline(always)]
    fn truncate(value: u16) -> Self {
        value
    }

    #[inline(always)]
    fn is_within(self, first: Self, last: Self) -> bool {
        self.wrapping_sub(first) <= last.wrapping_sub(first)
    }

    #[cfg(target_arch = "x86_64")]
    fn groups(groups: &[[Self; LANES]]) -> Groups<'_> {
        Groups::Wide(groups)
    }
}

/// Symbol value to frequency and slots.
#[derive(Debug)]
pub(crate) struct SymbolTable {
    /// By value, 2^`symbol_bits` of them; the escape stands for every value without a frequency of its own.
    pub(crate) by_value: Vec<EncodeSymbol>,
    /// Whether a value is coded as itself.
    pub(crate) is_direct: Vec<bool>,
    pub(crate) escape: Option<EncodeSymbol>,
    /// Of each symbol in turn, in the order of their ranks.
    pub(crate) slots: Vec<u16>,
}

impl SymbolTable {
    fn new(table: &Table, symbol_bits: u8) -> Self {
        let mut first = 0;
        let symbol_of = |&freq: &u16| {
            let symbol = EncodeSymbol {
                reciprocal: (1u64 << 44).div_ceil(u64::from(freq)),
                freq: u32::from(freq),
                first,
            };
            first += symbol.freq;
            symbol
        };
        let symbols: Vec<EncodeSymbol> = table.freqs.iter().map(symbol_of).collect();
        let mut slots = vec![0; 1 << RANS_SCALE_BITS];
        let mut next: Vec<u32> = symbols.iter().map(|symbol| symbol.first).collect();
        let buckets = alias::buckets(&table.freqs, table.buckets_log2);
        for (slot, symbol) in (0..).zip(alias::slot_symbols(&buckets)) {
            let next = &mut next[usize::from(symbol)];
            slots[*next as usize] = slot;
            *next += 1;
        }
        let escape = symbols.last().copied().filter(|_| table.has_escape);
        let mut by_value = vec![escape.unwrap_or_default(); 1 << symbol_bits];
        let mut is_direct = vec![false; 1 << symbol_bits];
        for (&value, symbol) in table.values.iter().zip(symbols) {
            by_value[usize::from(value)] = symbol;
            is_direct[usize::from(value)] = true;
        }
        Self {
            by_value,
            is_direct,
            escape,
            slots,
        }
    }
}

/// A table prepared for encoding.
#[derive(Debug)]
pub(crate) struct EncodeTable {
    symbols: SymbolTable,
    /// First and last of each run of values that are coded as themselves.
    runs: Vec<(u16, u16)>,
    #[cfg(target_arch = "x86_64")]
    vectors: VectorTable,
}

impl EncodeTable {
    /// Prepares `table` for symbols of `symbol_bits`.
    pub(crate) fn new(table: &Table, symbol_bits: u8) -> Self {
        let symbols = SymbolTable::new(table, symbol_bits);
        let runs = table.runs().map(|run| (run[0], run[run.len() - 1]));
        Self {
            runs: runs.collect(),
            #[cfg(target_arch = "x86_64")]
            vectors: VectorTable::new(&symbols),
            symbols,
        }
    }

    /// Position and value of every symbol without a frequency of its own, if there is an escape to code it as.
    pub(crate) fn escapes<Y: Symbol>(&self, symbols: &[Y]) -> Vec<(u16, u16)> {
        if self.symbols.escape.is_none() {
            return Vec::new();
        }
        Isa::chosen().run(FindEscapes {
            table: self,
            symbols,
        })
    }

    /// Whether a value is coded as itself.
    fn is_direct(&self, value: u16) -> bool {
        self.symbols.is_direct[usize::from(value)]
    }

    /// Whether all of `symbols` are coded as themselves. Most tables have one run of values or two, and whether a value
    /// is within a run needs no table.
    #[inline(always)]
    fn are_direct<Y: Symbol>(&self, symbols: &[Y]) -> bool {
        let run = |index: usize| {
            let &(first, last) = self.runs.get(index).or(self.runs.first())?;
            Some((Y::truncate(first), Y::truncate(last)))
        };
        let (Some(low), Some(high)) = (run(0), run(1)) else {
            return false;
        };
        let is_within =
            |symbol: Y| symbol.is_within(low.0, low.1) | symbol.is_within(high.0, high.1);
        symbols
            .iter()
            .fold(true, |all, &symbol| all & is_within(symbol))
            || self.runs.len() > 2 && symbols.iter().all(|&symbol| self.is_direct(symbol.into()))
    }
}

/// [`EncodeTable::escapes`].
struct FindEscapes<'a, Y> {
    table: &'a EncodeTable,
    symbols: &'a [Y],
}

impl<Y: Symbol> Work for FindEscapes<'_, Y> {
    type Output = Vec<(u16, u16)>;

    #[inline(always)]
    fn run(self) -> Vec<(u16, u16)> {
        const BLOCK: usize = 256;
        let mut found = Vec::new();
        for (block, first) in self
            .symbols
            .chunks(BLOCK)
            .zip((0..=u16::MAX).step_by(BLOCK))
        {
            if !self.table.are_direct(block) {
                let values = block.iter().map(|&symbol| symbol.into());
                let escapes = (first..=u16::MAX).zip(values);
                found.extend(escapes.filter(|&(_, value)| !self.table.is_direct(value)));
            }
        }
        found
    }
}

/// Encodes chunks; keeps its buffer from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    words: Vec<u16>,
}

/// A chunk's states and words, in the order in which they are decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coded<'a> {
    states: [u32; LANES],
    words: &'a [u16],
}

impl Coded<'_> {
    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        4 * LANES + 2 * self.words.len()
    }

    /// Writes states and words to `out`, which is [`len`](Self::len) long.
    pub(crate) fn write(&self, out: &mut [u8]) {
        let (states, words) = out.split_at_mut(4 * LANES);
        states.copy_from_slice(self.states.map(u32::to_le_bytes).as_flattened());
        for (bytes, word) in words.as_chunks_mut().0.iter_mut().zip(self.words) {
            *bytes = word.to_le_bytes();
        }
    }
}

impl Encoder {
    /// Encodes the symbols of a chunk.
    ///
    /// # Panics
    ///
    /// If a symbol's value is not below 2^`symbol_bits` of `table`.
    pub(crate) fn encode<Y: Symbol>(&mut self, table: &EncodeTable, symbols: &[Y]) -> Coded<'_> {
        self.encode_with(Isa::chosen(), table, symbols)
    }

    fn encode_with<Y: Symbol>(
        &mut self,
        isa: Isa,
        table: &EncodeTable,
        symbols: &[Y],
    ) -> Coded<'_> {
        // A symbol costs at most 12 bits: at most one word each. Vectors want a group's words more.
        let num_words = symbols.len() + LANES;
        if self.words.len() < num_words {
            self.words.resize(num_words, 0);
        }
        let words = &mut self.words[..num_words];
        let mut states = [RANS_STATE_MIN; LANES];
        let (groups, tail) = symbols.as_chunks::<LANES>();
        let left = encode_group(&table.symbols, &mut states, tail, words);
        let left = match isa {
            // SAFETY: these are made only where the machine has AVX2 and POPCNT.
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "SIMD")]
            Isa::Avx2 | Isa::Avx512 => unsafe {
                let (groups, words) = (Y::groups(groups), &mut words[..left]);
                encode_avx2::encode_groups(&table.vectors, &mut states, groups, words)
            },
            _ => groups.iter().rev().fold(left, |left, group| {
                encode_group(&table.symbols, &mut states, group, &mut words[..left])
            }),
        };
        Coded {
            states,
            words: &self.words[left..num_words],
        }
    }
}

impl Encoder {
    /// Encodes the symbols of a chunk, each with the table that `chosen` names for it.
    ///
    /// # Panics
    ///
    /// If there is no such table, or a symbol's value is not below 2^`symbol_bits` of its table.
    pub(crate) fn encode_in_contexts(
        &mut self,
        tables: &[EncodeTable],
        chosen: &[u8],
        symbols: &[u16],
    ) -> Coded<'_> {
        if self.words.len() < symbols.len() {
            self.words.resize(symbols.len(), 0);
        }
        let words = &mut self.words[..symbols.len()];
        let mut states = [RANS_STATE_MIN; LANES];
        let mut left = words.len();
        let groups = symbols.chunks(LANES).zip(chosen.chunks(LANES));
        for (symbols, chosen) in groups.rev() {
            for ((state, &value), &table) in states.iter_mut().zip(symbols).zip(chosen).rev() {
                let table = &tables[usize::from(table)].symbols;
                left = encode_symbol(table, state, value, &mut words[..left]);
            }
        }
        Coded {
            states,
            words: &words[left..],
        }
    }
}

/// Encodes up to 32 symbols, the last one first, into the end of `words`; returns how many words are left.
fn encode_group<Y: Symbol>(
    table: &SymbolTable,
    states: &mut [u32; LANES],
    symbols: &[Y],
    words: &mut [u16],
) -> usize {
    let mut left = words.len();
    for (state, &value) in states[..symbols.len()].iter_mut().zip(symbols).rev() {
        left = encode_symbol(table, state, value.into(), &mut words[..left]);
    }
    left
}

/// Encodes one symbol; returns how many words are left.
#[inline(always)]
fn encode_symbol(table: &SymbolTable, state: &mut u32, value: u16, words: &mut [u16]) -> usize {
    let left = words.len();
    let symbol = table.by_value[usize::from(value)];
    debug_assert!(symbol.freq > 0, "value {value} is not in the table");
    // freq * 2^20 - 1 <= u32::MAX; below the bound nothing is written, and the word is overwritten.
    let limit = u64::from(symbol.freq) << (32 - RANS_SCALE_BITS);
    let flush = u64::from(*state) >= limit;
    words[left - 1] = low_word(*state);
    let x = if flush {
        *state >> RANS_WORD_BITS
    } else {
        *state
    };
    let quotient = divide(x, symbol.reciprocal);
    let rank = x - quotient * symbol.freq;
    let slot = table.slots[(symbol.first + rank) as usize];
    *state = (quotient << RANS_SCALE_BITS) + u32::from(slot);
    left - usize::from(flush)
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
    use super::*;
    use crate::entropy::histogram::normalise;

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

    fn encode<Y: Symbol>(isa: Isa, table: &EncodeTable, symbols: &[Y]) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let coded = encoder.encode_with(isa, table, symbols);
        let mut bytes = vec![0; coded.len()];
        coded.write(&mut bytes);
        bytes
    }

    /// The coded bytes of `symbols`, the same for every instruction set and width of symbols.
    fn encode_every_way(table: &Table, symbols: &[u16]) -> Vec<u8> {
        let narrow: Vec<u8> = symbols.iter().map(|&s| u8::try_from(s).unwrap()).collect();
        let encoder = EncodeTable::new(table, 8);
        let coded = encode(Isa::Scalar, &encoder, symbols);
        for isa in Isa::available() {
            assert_eq!(encode(isa, &encoder, symbols), coded, "{isa:?}");
            assert_eq!(encode(isa, &encoder, &narrow), coded, "{isa:?}");
        }
        coded
    }

    #[test]
    fn every_instruction_set_encodes_alike() {
        let rng = |i: u32| i.wrapping_mul(2_654_435_761) >> 8;
        // By base and spread: values at both ends, with and without a zero apart, one symbol far more frequent than
        // all.
        for base in [0u16, 1, 2, 60, 90, 224, 236] {
            for (with_zero, has_escape) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                for spread in [1u32, 2, 8, 20] {
                    let symbols: Vec<u16> = (0..3000)
                        .map(|i| match rng(i) % 97 {
                            0 if with_zero => 0,
                            1 if has_escape => u16::try_from(rng(i) >> 7 & 0xff).unwrap(),
                            2..60 => base,
                            _ => base + u16::try_from((rng(i) >> 8) % spread).unwrap(),
                        })
                        .collect();
                    let mut table = table_of(&symbols, 5 + 3 * u32::from(has_escape));
                    encode_every_way(&table, &symbols);
                    if has_escape {
                        let mut counts = vec![1u64; 31];
                        counts[3] = 1 << 20;
                        table.has_escape = true;
                        table.buckets_log2 = 5;
                        table
                            .values
                            .retain(|v| (base..base + 20).contains(v) || *v == 0);
                        table.freqs = normalise(&counts[..=table.values.len()]);
                        encode_every_way(&table, &symbols);
                    }
                }
            }
        }
    }

    #[test]
    fn every_tail_length_encodes_alike() {
        for len in (1..100u32).chain([4096, 5000]) {
            let symbols: Vec<u16> = (0..len)
                .map(|i| u16::try_from(i.pow(2).trailing_zeros() % 20).unwrap())
                .collect();
            encode_every_way(&table_of(&symbols, 5), &symbols);
            encode_every_way(&table_of(&symbols, 8), &symbols);
        }
    }
}
