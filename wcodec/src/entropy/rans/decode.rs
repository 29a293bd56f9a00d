//! rANS decoding (FORMAT.md 6.3): the scalar decoder, oracle of every SIMD and device decoder, and what all of them
//! share.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::alias::{self, DecodeBucket};
use super::codes::{Codes, OwnedValues, Values};
use super::table::Table;
use crate::entropy::simd::kernel::{self, Kernel};
use crate::entropy::simd::{Isa, MAX_IN_FLIGHT};
use crate::error::ErrorKind;
use crate::format::{
    ALIAS_SMALL_LOG2, RANS_LANES, RANS_SCALE_BITS, RANS_STATE_MIN, RANS_WORD_BITS,
};
use arrayvec::ArrayVec;

pub(crate) const LANES: usize = RANS_LANES as usize;
const SLOTS: usize = 1 << RANS_SCALE_BITS;
pub(super) const SLOT_MASK: u32 = (1 << RANS_SCALE_BITS) - 1;
const WORD_BYTES: usize = (RANS_WORD_BITS / 8) as usize;

/// Bytes of the initial states at the start of a chunk's coded bytes.
pub(crate) const STATES_BYTES: usize = LANES * size_of::<u32>();

/// Bytes that a group of 32 symbols may look at: a word each.
pub(crate) const GROUP_BYTES: usize = LANES * WORD_BYTES;

/// The codes of 32 symbols, one from each lane.
pub(crate) type Group = [u8; LANES];

/// What one slot says of its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) freq: u32,
    /// The slot's rank among its symbol's slots.
    pub(crate) rank: u32,
    pub(crate) code: u8,
}

/// A table expanded to one entry a slot.
///
/// An entry packs, from the low bit: the slot's rank (12 bits), its symbol's frequency less one (12 bits), its
/// symbol's code (8 bits).
#[derive(Debug)]
pub(crate) struct SlotTable(pub(crate) Box<[u32; SLOTS]>);

impl SlotTable {
    fn new(table: &Table, codes: &[u8; 256]) -> Self {
        let mut slots = Box::new([0; SLOTS]);
        let buckets = alias::decode_buckets(&table.freqs, table.buckets_log2);
        let bucket_slots = SLOTS >> table.buckets_log2;
        for (slots, bucket) in slots.chunks_exact_mut(bucket_slots).zip(&buckets) {
            let (own, rest) = slots.split_at_mut(usize::from(bucket.threshold).min(bucket_slots));
            for (slots, share, first) in
                [(own, bucket.own, 0), (rest, bucket.alias, bucket.threshold)]
            {
                let code = codes.get(usize::from(share.symbol)).copied().unwrap_or(0);
                // The rank of the first of these slots: both terms are modulo 2^16, the sum is not.
                let rank = u32::from(first.wrapping_add(share.bias)) & SLOT_MASK;
                let less_one = u32::from(share.freq.saturating_sub(1));
                let entry = rank
                    | (less_one << RANS_SCALE_BITS)
                    | (u32::from(code) << (2 * RANS_SCALE_BITS));
                // Ranks stay below the frequency, so they never carry.
                slots
                    .iter_mut()
                    .zip(entry..)
                    .for_each(|(slot, entry)| *slot = entry);
            }
        }
        Self(slots)
    }

    #[inline(always)]
    pub(crate) fn slot(&self, slot: u32) -> Slot {
        let entry = self
            .0
            .get((slot & SLOT_MASK) as usize)
            .copied()
            .unwrap_or(0);
        let [_, _, _, code] = entry.to_le_bytes();
        Slot {
            freq: ((entry >> RANS_SCALE_BITS) & SLOT_MASK) + 1,
            rank: entry & SLOT_MASK,
            code,
        }
    }
}

const SMALL_BUCKETS: usize = 1 << ALIAS_SMALL_LOG2;
const SMALL_BUCKET_SLOTS_LOG2: u32 = RANS_SCALE_BITS - ALIAS_SMALL_LOG2;

/// A small table's buckets, and the codes of the symbols that own them: what every vector form of it is made from.
#[derive(Debug)]
pub(crate) struct SmallBuckets {
    pub(crate) buckets: Box<[DecodeBucket; SMALL_BUCKETS]>,
    codes: [u8; SMALL_BUCKETS],
}

impl SmallBuckets {
    /// `None` if the table is not small.
    pub(crate) fn new(table: &Table, codes: &[u8; 256]) -> Option<Self> {
        if table.buckets_log2 != ALIAS_SMALL_LOG2 {
            return None;
        }
        let buckets = alias::decode_buckets(&table.freqs, table.buckets_log2);
        Some(Self {
            buckets: buckets.into_boxed_slice().try_into().ok()?,
            codes: *codes.first_chunk()?,
        })
    }

    /// The code of a symbol, which is below 32.
    pub(crate) fn code(&self, symbol: u8) -> u8 {
        self.codes.get(usize::from(symbol)).copied().unwrap_or(0)
    }

    /// What one slot says, for the few symbols that fill no group.
    pub(crate) fn slot(&self, slot: u32) -> Slot {
        let slot = u16::try_from(slot & SLOT_MASK).unwrap_or(0);
        let place = slot & ((1 << SMALL_BUCKET_SLOTS_LOG2) - 1);
        let [.., last] = &*self.buckets;
        let bucket = self
            .buckets
            .get(usize::from(slot >> SMALL_BUCKET_SLOTS_LOG2));
        let share = bucket.unwrap_or(last).share(place);
        Slot {
            freq: share.freq.into(),
            rank: place.wrapping_add(share.bias).into(),
            code: self.code(share.symbol),
        }
    }
}

/// A table in the form that this machine's decoder looks slots up in.
#[derive(Debug)]
pub(crate) struct DecodeTable {
    isa: Isa,
    kernel: Kernel,
    values: OwnedValues,
}

impl DecodeTable {
    /// Prepares a validated table. An escape decodes to 0; its literal replaces that later.
    pub(crate) fn new(table: &Table, isa: Isa) -> Self {
        let Codes { of_symbols, values } = Codes::new(table);
        let kernel = Kernel::new(isa, table, &of_symbols, || {
            SlotTable::new(table, &of_symbols)
        });
        Self {
            isa,
            kernel,
            values,
        }
    }

    /// The form that slots are looked up in.
    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The instruction set it is for.
    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// The values that codes stand for.
    pub(crate) fn values(&self) -> Values<'_> {
        match &self.values {
            OwnedValues::Table(values) => Values::Table(values),
            OwnedValues::Above(base) => Values::Above(*base),
        }
    }
}

/// Where a chunk's decoder stands.
#[derive(Debug, Clone)]
pub(crate) struct Decoder<'a> {
    pub(crate) states: [u32; LANES],
    pub(crate) words: &'a [u8],
    table: &'a DecodeTable,
}

impl<'a> Decoder<'a> {
    /// `coded`: the states, then the words, nothing else.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 6.3) if there are fewer bytes than the states take, an odd number of word bytes, or a
    /// state below the lower bound.
    pub(crate) fn new(table: &'a DecodeTable, coded: &'a [u8]) -> Result<Self, ErrorKind> {
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
        Ok(Self {
            states,
            words,
            table,
        })
    }

    /// The table it decodes with.
    pub(crate) fn table(&self) -> &'a DecodeTable {
        self.table
    }

    /// Decodes the codes of the next `out.len()` symbols. Every call but the last has a multiple of 32.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 6.3) if the words run out; `out` then holds unspecified codes.
    ///
    /// # Panics
    ///
    /// Never, for any input.
    pub(crate) fn decode(&mut self, out: &mut [u8]) -> Result<(), ErrorKind> {
        let (groups, tail) = out.as_chunks_mut::<LANES>();
        let decoded = kernel::decode_groups(std::slice::from_mut(self), &mut [&mut *groups]);
        for group in groups.iter_mut().skip(decoded) {
            self.decode_last_group(group)?;
        }
        self.decode_tail(tail)
    }

    /// Decodes as many symbols of several chunks, each as [`decode`](Self::decode) does it, but one in the shadow of
    /// the other: at most [`MAX_IN_FLIGHT`] blocks of equal length, a multiple of 32.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), if the words of any run out.
    pub(crate) fn decode_together<const LEN: usize>(
        decoders: &mut [Self],
        outs: &mut [[u8; LEN]],
    ) -> Result<(), ErrorKind> {
        let decoded = {
            let groups = outs.iter_mut().map(|out| out.as_chunks_mut().0);
            let mut groups: ArrayVec<_, MAX_IN_FLIGHT> = groups.take(MAX_IN_FLIGHT).collect();
            kernel::decode_groups(decoders, &mut groups)
        };
        for (decoder, out) in decoders.iter_mut().zip(outs) {
            decoder.decode(out.get_mut(decoded * LANES..).unwrap_or_default())?;
        }
        Ok(())
    }

    /// 32 symbols where fewer words than lanes are left, so that a decoder of whole groups would look beyond them.
    #[cold]
    fn decode_last_group(&mut self, out: &mut Group) -> Result<(), ErrorKind> {
        let mut padded = [0; GROUP_BYTES];
        padded
            .iter_mut()
            .zip(self.words)
            .for_each(|(to, from)| *to = *from);
        let mut ahead = Decoder {
            states: self.states,
            words: &padded,
            table: self.table,
        };
        let out = std::slice::from_mut(out);
        kernel::decode_groups(std::slice::from_mut(&mut ahead), &mut [out]);
        let taken = GROUP_BYTES - ahead.words.len();
        self.states = ahead.states;
        self.words = self.words.get(taken..).ok_or(OUT_OF_WORDS)?;
        Ok(())
    }

    /// Fewer than 32 symbols, looking at every word before it is taken.
    fn decode_tail(&mut self, out: &mut [u8]) -> Result<(), ErrorKind> {
        for (state, out) in self.states.iter_mut().zip(out) {
            let slot = self.table.kernel.slot(*state & SLOT_MASK);
            *out = slot.code;
            *state = renormalised(step(slot, *state), &mut self.words)?;
        }
        Ok(())
    }

    /// Checks that the chunk ended where its encoder began: no word left, every state at the lower bound.
    ///
    /// # Errors
    ///
    /// `Malformed` (rule 6.3).
    pub(crate) fn finish(&self) -> Result<(), ErrorKind> {
        if self.words.is_empty() && self.states.iter().all(|&state| state == RANS_STATE_MIN) {
            return Ok(());
        }
        Err(ErrorKind::Malformed {
            what: "end of the rANS words",
            rule: "6.3",
        })
    }
}

pub(super) const OUT_OF_WORDS: ErrorKind = ErrorKind::Malformed {
    what: "number of rANS words",
    rule: "6.3",
};

/// A state with the next word, if it is below the lower bound without.
///
/// # Errors
///
/// `Malformed` (rule 6.3) if there is no word left.
pub(super) fn renormalised(state: u32, words: &mut &[u8]) -> Result<u32, ErrorKind> {
    if state >= RANS_STATE_MIN {
        return Ok(state);
    }
    let (word, rest) = words
        .split_first_chunk::<WORD_BYTES>()
        .ok_or(OUT_OF_WORDS)?;
    *words = rest;
    Ok((state << RANS_WORD_BITS) | u32::from(u16::from_le_bytes(*word)))
}

/// A state with one symbol taken off it, before renormalisation.
#[inline(always)]
pub(super) fn step(slot: Slot, state: u32) -> u32 {
    // freq <= 2^12, state >> 12 < 2^20 and rank < freq: below 2^32. A damaged state cannot be larger.
    slot.freq * (state >> RANS_SCALE_BITS) + slot.rank
}

/// Decodes groups of 32 symbols as long as every lane has a word ahead; returns how many groups.
pub(crate) fn decode_groups(
    table: &SlotTable,
    decoder: &mut Decoder<'_>,
    groups: &mut [Group],
) -> usize {
    let mut decoded = 0;
    for group in groups {
        let Some(words) = decoder.words.first_chunk::<GROUP_BYTES>() else {
            break;
        };
        let (words, _) = words.as_chunks::<WORD_BYTES>();
        let mut taken = 0usize;
        for (state, out) in decoder.states.iter_mut().zip(group) {
            let slot = table.slot(*state & SLOT_MASK);
            *out = slot.code;
            let next = step(slot, *state);
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
        decoder.words = decoder.words.get(taken * WORD_BYTES..).unwrap_or_default();
        decoded += 1;
    }
    decoded
}
