//! Section 6: tables, slots and states.

use super::{Fields, Refusal, must};

/// A frequency table, each slot spelled out.
pub(crate) struct Table {
    pub(crate) has_escape: bool,
    /// The value of each symbol; 0 for the escape.
    pub(crate) values: Vec<u16>,
    freq: Vec<u32>,
    symbol: Vec<usize>,
    rank: Vec<u32>,
    /// The slots of each symbol, by rank.
    slots: Vec<Vec<u32>>,
}

impl Table {
    /// The number of the symbol of a slot.
    pub(crate) fn symbol(&self, slot: usize) -> usize {
        self.symbol[slot]
    }
}

/// A `u16` number of tables, then the tables.
pub(super) fn read_tables(fields: &mut Fields<'_>, symbol_bits: u8) -> Result<Vec<Table>, Refusal> {
    let num_tables = fields.u16()?;
    must(num_tables <= 256, "more than 256 tables")?;
    (0..num_tables)
        .map(|_| read_table(fields, symbol_bits))
        .collect()
}

/// The tables that `bytes` begin with, and the bytes after them.
pub(crate) fn parse_tables(bytes: &[u8], symbol_bits: u8) -> Result<(Vec<Table>, &[u8]), Refusal> {
    let mut fields = Fields { bytes };
    let tables = read_tables(&mut fields, symbol_bits)?;
    Ok((tables, fields.bytes))
}

/// The values of as many runs: of section 6.1, and of 6.5.
pub(super) fn read_runs(
    fields: &mut Fields<'_>,
    num_runs: u8,
    symbol_bits: u8,
) -> Result<Vec<u16>, Refusal> {
    let mut values: Vec<u16> = Vec::new();
    let mut least = 0; // the first value that the next run may begin at
    for _ in 0..num_runs {
        let (gap, len) = (u32::from(fields.varint()?), u32::from(fields.varint()?) + 1);
        let first = least + gap;
        must(first + len <= 1 << symbol_bits, "value of a symbol")?;
        values.extend((first..first + len).map(|value| value as u16));
        least = first + len + 1;
    }
    Ok(values)
}

/// Section 6.1.
fn read_table(fields: &mut Fields<'_>, symbol_bits: u8) -> Result<Table, Refusal> {
    let (shape, num_runs) = (fields.u8()?, fields.u8()?);
    let (log2, has_escape) = (shape & 127, shape & 128 != 0);
    must(log2 == 5 || log2 == 8, "number of buckets")?;
    let mut values = read_runs(fields, num_runs, symbol_bits)?;
    if has_escape {
        values.push(0);
    }
    must((1..=1 << log2).contains(&values.len()), "number of symbols")?;
    let freq = values
        .iter()
        .map(|_| Ok(u32::from(fields.varint()?) + 1))
        .collect::<Result<Vec<u32>, Refusal>>()?;
    must(freq.iter().sum::<u32>() == 4096, "sum of frequencies")?;
    let symbol = slots(&freq, 1 << log2);
    let mut slots = vec![vec![]; values.len()];
    let mut rank = Vec::new();
    for (slot, &symbol) in symbol.iter().enumerate() {
        rank.push(slots[symbol].len() as u32);
        slots[symbol].push(slot as u32);
    }
    Ok(Table {
        has_escape,
        values,
        freq,
        symbol,
        rank,
        slots,
    })
}

/// Section 6.2: the symbol of each slot.
fn slots(freq: &[u32], buckets: usize) -> Vec<usize> {
    let size = 4096 / buckets as u32;
    let mut left: Vec<u32> = (0..buckets)
        .map(|i| freq.get(i).copied().unwrap_or(0))
        .collect();
    let mut threshold = vec![size; buckets];
    let mut alias: Vec<usize> = (0..buckets).collect();
    let mut under: Vec<usize> = (0..buckets).filter(|&i| left[i] < size).collect();
    let mut over: Vec<usize> = (0..buckets).filter(|&i| left[i] > size).collect();
    while !under.is_empty() && !over.is_empty() {
        let (s, l) = (
            under.pop().unwrap_or_default(),
            over.pop().unwrap_or_default(),
        );
        threshold[s] = left[s];
        alias[s] = l;
        left[l] -= size - left[s];
        if left[l] < size {
            under.push(l);
        } else if left[l] > size {
            over.push(l);
        }
    }
    (0..4096u32)
        .map(|slot| {
            let i = (slot / size) as usize;
            if slot % size < threshold[i] {
                i
            } else {
                alias[i]
            }
        })
        .collect()
}

/// Section 6.3: the symbols of a chunk, escapes as 0. `coded` is the states and the words; `table_of` knows the table
/// of each symbol from its number and the symbols before (6.4).
pub(super) fn decode<'a>(
    coded: &[u8],
    samples: usize,
    table_of: impl Fn(usize, &[u16]) -> &'a Table,
) -> Result<Vec<u16>, Refusal> {
    let mut fields = Fields { bytes: coded };
    let mut states = (0..32)
        .map(|_| fields.u32())
        .collect::<Result<Vec<u32>, _>>()?;
    must(
        states.iter().all(|&state| state >= 65536),
        "a state below 65536",
    )?;
    let mut out = Vec::new();
    for i in 0..samples {
        let table = table_of(i, &out);
        let state = &mut states[i % 32];
        let slot = (*state % 4096) as usize;
        let symbol = table.symbol[slot];
        out.push(table.values[symbol]);
        *state = table.freq[symbol] * (*state / 4096) + table.rank[slot];
        if *state < 65536 {
            *state = *state * 65536 + u32::from(fields.u16().map_err(|_| "a word is missing")?);
        }
    }
    must(fields.bytes.is_empty(), "words are left over")?;
    must(
        states.iter().all(|&state| state == 65536),
        "a state does not end at 65536",
    )?;
    Ok(out)
}

/// Section 6.3, an encoder: states and words of symbols, each given by its table and its number there.
pub(crate) fn encode(symbols: &[(&Table, usize)]) -> Vec<u8> {
    let (mut states, mut words) = ([65536u32; 32], Vec::new());
    for (i, &(table, symbol)) in symbols.iter().enumerate().rev() {
        let (f, state) = (table.freq[symbol], &mut states[i % 32]);
        if u64::from(*state) >= u64::from(f) << 20 {
            words.push((*state % 65536) as u16);
            *state /= 65536;
        }
        let rank = *state % f;
        *state = *state / f * 4096 + table.slots[symbol][rank as usize];
    }
    let words = words.into_iter().rev().flat_map(u16::to_le_bytes);
    states
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .chain(words)
        .collect()
}
