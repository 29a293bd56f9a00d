//! rANS decoding, scalar: the oracle of every SIMD and device decoder (FORMAT.md 6.3).
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::alias;
use super::table::Table;
use crate::entropy::simd::Isa;
#[cfg(target_arch = "x86_64")]
use crate::entropy::simd::avx2;
use crate::error::ErrorKind;
use crate::format::{RANS_LANES, RANS_SCALE_BITS, RANS_STATE_MIN, RANS_WORD_BITS};

const LANES: usize = RANS_LANES as usize;
const SLOTS: usize = 1 << RANS_SCALE_BITS;
const SLOT_MASK: u32 = (1 << RANS_SCALE_BITS) - 1;
const WORD_BYTES: usize = (RANS_WORD_BITS / 8) as usize;

/// Bytes of the initial states at the start of a chunk's coded bytes.
pub(crate) const STATES_BYTES: usize = LANES * size_of::<u32>();

/// A table expanded to one entry a slot.
///
/// An entry packs, from the low bit: the slot's rank among its symbol's slots (12 bits), the symbol's frequency
/// less one (12 bits), the symbol's code (8 bits).
#[derive(Debug)]
pub(crate) struct DecodeTable {
    slots: Box<[u32; SLOTS]>,
    /// The values of codes, unless each value is a byte and its own code.
    values: Option<Box<[u16; 256]>>,
    #[cfg(target_arch = "x86_64")]
    shuffles: Option<avx2::ShuffleTable>,
}

impl DecodeTable {
    /// Expands a validated table. An escape decodes to 0; its literal replaces that later.
    pub(crate) fn new(table: &Table) -> Self {
        let are_bytes = table.values.iter().all(|&value| value <= 255);
        let mut slots = Box::new([0; SLOTS]);
        let mut ranks = [0u32; 256];
        let buckets = alias::buckets(&table.freqs, table.buckets_log2);
        let bucket_slots = SLOTS >> table.buckets_log2;
        let each = slots
            .chunks_exact_mut(bucket_slots)
            .zip(&buckets)
            .zip(0..=u8::MAX);
        for ((slots, bucket), owner) in each {
            let (own, rest) = slots.split_at_mut(usize::from(bucket.threshold).min(bucket_slots));
            for (slots, symbol) in [(own, owner), (rest, bucket.alias)] {
                let index = usize::from(symbol);
                let freq = table
                    .freqs
                    .get(index)
                    .map_or(0, |&freq| u32::from(freq) - 1);
                let value = table.values.get(index).copied().unwrap_or(0);
                let code = if are_bytes {
                    u32::from(value)
                } else {
                    u32::from(symbol)
                };
                let entry = (freq << RANS_SCALE_BITS) | (code << (2 * RANS_SCALE_BITS));
                if let Some(rank) = ranks.get_mut(index) {
                    for slot in slots {
                        *slot = entry | *rank;
                        *rank += 1;
                    }
                }
            }
        }
        let values = (!are_bytes).then(|| {
            let mut values = Box::new([0; 256]);
            values
                .iter_mut()
                .zip(&table.values)
                .for_each(|(to, from)| *to = *from);
            values
        });
        Self {
            slots,
            values,
            #[cfg(target_arch = "x86_64")]
            shuffles: avx2::ShuffleTable::new(table),
        }
    }

    /// Codes to values.
    fn look_up(&self, symbols: &mut [u16]) {
        if let Some(values) = &self.values {
            for symbol in symbols {
                *symbol = values.get(usize::from(*symbol)).copied().unwrap_or(0);
            }
        }
    }
}

/// Decodes one chunk's symbols, in order, a block at a time.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    states: [u32; LANES],
    words: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// `coded`: the states, then the words, nothing else.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 6.3) if there are fewer bytes than the states take, an odd number of word bytes, or a
    /// state below the lower bound.
    pub(crate) fn new(coded: &'a [u8]) -> Result<Self, ErrorKind> {
        let malformed = |what| ErrorKind::Malformed { what, rule: "6.3" };
        let (bytes, words) = coded
            .split_first_chunk::<STATES_BYTES>()
            .ok_or(malformed("rANS states"))?;
        let mut states = [0; LANES];
        for (state, bytes) in states.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *state = u32::from_le_bytes(*bytes);
        }
        if words.len() % WORD_BYTES != 0 || states.iter().any(|&state| state < RANS_STATE_MIN) {
            return Err(malformed("rANS states"));
        }
        Ok(Self { states, words })
    }

    /// Decodes the next `out.len()` symbols. Every call but the last has a multiple of 32.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 6.3) if the words run out; `out` then holds unspecified symbols.
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(crate) fn decode(&mut self, table: &DecodeTable, out: &mut [u16]) -> Result<(), ErrorKind> {
        self.decode_with(Isa::chosen(), table, out)
    }

    /// [`decode`](Self::decode) with instructions that this machine has.
    pub(crate) fn decode_with(
        &mut self,
        isa: Isa,
        table: &DecodeTable,
        out: &mut [u16],
    ) -> Result<(), ErrorKind> {
        let (groups, tail) = out.as_chunks_mut::<LANES>();
        let decoded = self.decode_ahead(isa, table, groups);
        for group in groups.iter_mut().skip(decoded) {
            match self.words.first_chunk::<{ LANES * WORD_BYTES }>() {
                Some(words) => self.decode_group(table, words, group)?,
                None => self.decode_tail(table, group)?,
            }
        }
        self.decode_tail(table, tail)?;
        table.look_up(out);
        Ok(())
    }

    /// Decodes as many whole groups as `isa` can, and says how many.
    #[cfg(target_arch = "x86_64")]
    fn decode_ahead(
        &mut self,
        isa: Isa,
        table: &DecodeTable,
        groups: &mut [[u16; LANES]],
    ) -> usize {
        if isa != Isa::Avx2 {
            return 0;
        }
        let states = &mut self.states;
        // SAFETY: `Isa::Avx2` is made only where the machine has AVX2 and POPCNT.
        #[expect(unsafe_code, reason = "SIMD")]
        let (decoded, words) = unsafe {
            match &table.shuffles {
                Some(shuffles) => avx2::decode_groups(shuffles, states, self.words, groups),
                None => avx2::decode_groups(&*table.slots, states, self.words, groups),
            }
        };
        self.words = words;
        decoded
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn decode_ahead(&mut self, _: Isa, _: &DecodeTable, _: &mut [[u16; LANES]]) -> usize {
        0
    }

    /// 32 symbols, with enough words ahead for every lane to take one.
    #[inline]
    fn decode_group(
        &mut self,
        table: &DecodeTable,
        words: &[u8; LANES * WORD_BYTES],
        out: &mut [u16; LANES],
    ) -> Result<(), ErrorKind> {
        let (words, _) = words.as_chunks::<WORD_BYTES>();
        let mut taken = 0usize;
        for (state, out) in self.states.iter_mut().zip(out) {
            let (symbol, next) = step(table, *state);
            *out = symbol;
            // At most one word a lane, so at most 31 are taken before the last lane looks.
            let word = words
                .get(taken % LANES)
                .map_or(0, |word| u32::from(u16::from_le_bytes(*word)));
            let below = next < RANS_STATE_MIN;
            *state = if below {
                (next << RANS_WORD_BITS) | word
            } else {
                next
            };
            taken += usize::from(below);
        }
        self.words = self.words.get(taken * WORD_BYTES..).ok_or(OUT_OF_WORDS)?;
        Ok(())
    }

    /// At most 32 symbols, looking at every word before it is taken.
    fn decode_tail(&mut self, table: &DecodeTable, out: &mut [u16]) -> Result<(), ErrorKind> {
        for (state, out) in self.states.iter_mut().zip(out) {
            let (symbol, mut next) = step(table, *state);
            *out = symbol;
            if next < RANS_STATE_MIN {
                let (word, rest) = self
                    .words
                    .split_first_chunk::<WORD_BYTES>()
                    .ok_or(OUT_OF_WORDS)?;
                next = (next << RANS_WORD_BITS) | u32::from(u16::from_le_bytes(*word));
                self.words = rest;
            }
            *state = next;
        }
        Ok(())
    }

    /// Checks that the chunk ended where its encoder began: no word left, every state at the lower bound.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 6.3).
    pub(crate) fn finish(self) -> Result<(), ErrorKind> {
        if self.words.is_empty() && self.states.iter().all(|&state| state == RANS_STATE_MIN) {
            return Ok(());
        }
        Err(ErrorKind::Malformed {
            what: "end of the rANS words",
            rule: "6.3",
        })
    }
}

const OUT_OF_WORDS: ErrorKind = ErrorKind::Malformed {
    what: "number of rANS words",
    rule: "6.3",
};

/// One symbol's code off one state, before renormalisation.
#[inline]
fn step(table: &DecodeTable, state: u32) -> (u16, u32) {
    let entry = table
        .slots
        .get((state & SLOT_MASK) as usize)
        .copied()
        .unwrap_or(0);
    let rank = entry & SLOT_MASK;
    let freq = ((entry >> RANS_SCALE_BITS) & SLOT_MASK) + 1;
    let [_, _, _, code] = entry.to_le_bytes();
    // freq <= 2^12 and state >> 12 < 2^20: below 2^32.
    (u16::from(code), freq * (state >> RANS_SCALE_BITS) + rank)
}
