//! Section 6: tables, slots and states.

use super::{Fields, Refusal, must};

/// A frequency table, each slot spelled out.
pub(crate) struct Table {
    pub(crate) has_escape: bool,
    /// The value of each symbol; 0 for the escape.
    values: Vec<u16>,
    freq: Vec<u32>,
    symbol: Vec<usize>,
    rank: Vec<u32>,
}

/// A `u16` number of tables, then the tables, then nothing.
pub(super) fn read_tables(bytes: &[u8], symbol_bits: u8) -> Result<Vec<Table>, Refusal> {
    let mut fields = Fields { bytes };
    let num_tables = fields.u16()?;
    must(num_tables <= 256, "more than 256 tables")?;
    let tables = (0..num_tables)
        .map(|_| read_table(&mut fields, symbol_bits))
        .collect::<Result<Vec<_>, _>>()?;
    must(fields.bytes.is_empty(), "bytes after the tables")?;
    Ok(tables)
}

/// Section 6.1.
fn read_table(fields: &mut Fields<'_>, symbol_bits: u8) -> Result<Table, Refusal> {
    let (shape, num_runs) = (fields.u8()?, fields.u8()?);
    let (log2, has_escape) = (shape & 127, shape & 128 != 0);
    must(log2 == 5 || log2 == 8, "number of buckets")?;
    let mut values: Vec<u16> = Vec::new();
    let mut least = 0; // the first value that the next run may begin at
    for _ in 0..num_runs {
        let (gap, len) = (u32::from(fields.varint()?), u32::from(fields.varint()?) + 1);
        let first = least + gap;
        must(first + len <= 1 << symbol_bits, "value of a symbol")?;
        values.extend((first..first + len).map(|value| value as u16));
        least = first + len + 1;
    }
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
    let mut counts = vec![0; values.len()];
    let mut rank = Vec::new();
    for &symbol in &symbol {
        rank.push(counts[symbol]);
        counts[symbol] += 1;
    }
    Ok(Table {
        has_escape,
        values,
        freq,
        symbol,
        rank,
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

/// Section 6.3: the symbols of a chunk, escapes as 0. `coded` is the states and the words.
pub(super) fn decode(coded: &[u8], table: &Table, samples: usize) -> Result<Vec<u16>, Refusal> {
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
