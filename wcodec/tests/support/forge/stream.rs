//! Parts with tools from random choices: every combination that FORMAT.md 4.4 allows, not only those the encoder makes.

use super::super::naive_decoder::{self as naive, Record, Table};
use super::super::{Random, Tensor, encode_with};
use super::Forge;
use super::part::{ForgedChunk, ForgedPart};
use wcodec::{Dtype, Effort, Limits, Reader};

/// A file of one tensor, in one part with tools and one to three chunks.
pub(crate) fn forge(random: &mut Random) -> Forge {
    let (dtype, sample_len) = pick(
        random,
        &[
            (Dtype::I8, 1),
            (Dtype::F16, 2),
            (Dtype::F32, 4),
            (Dtype::U64, 8),
        ],
    );
    let (chunk_samples, num_chunks) = (400 + random.bits() % 3_000, 1 + random.bits() % 3);
    let last = 1 + random.bits() % chunk_samples;
    let samples = chunk_samples * (num_chunks - 1) + last;
    let bytes = vec![0; usize::try_from(samples * sample_len).unwrap()];
    let zeros = [Tensor::new("t", dtype, &[samples], bytes)];
    let mut forge = Forge::open(&encode_with(&zeros, None, Effort::Fast));
    let tensor = &mut forge.tensors[0];
    tensor.chunk_samples = u32::try_from(chunk_samples).unwrap();
    let mut part = ForgedPart::of(naive::Part {
        method: 3,
        num_chunks: u32::try_from(num_chunks).unwrap(),
        ..tensor.parts[0].fields
    });
    let stream = Stream::new(random, sample_len);
    part.fields.symbol_bits = stream.symbol_bits;
    (part.tables, part.record) = (stream.table_bytes.clone(), stream.record_bytes.clone());
    for number in 0..num_chunks {
        let samples = if number + 1 == num_chunks {
            last
        } else {
            chunk_samples
        };
        part.chunks.push(stream.chunk(random, samples));
    }
    tensor.parts = vec![part];
    forge
}

/// Lays out and seals the file, with the digest of what the naive decoder makes of it.
pub(crate) fn seal(forge: &mut Forge) -> Vec<u8> {
    forge.lay_out();
    let file = forge.seal();
    let decoded = naive::parse(&file, u64::MAX)
        .and_then(|container| naive::decode_without_digest(&file, &container, 0));
    let Ok(bytes) = decoded else { return file };
    forge.tensors[0].digest = *blake3::hash(&bytes).as_bytes();
    forge.seal()
}

/// What the library makes of the file's only tensor, whatever its digest.
pub(crate) fn decode(file: &[u8]) -> wcodec::Result<Vec<u8>> {
    let reader = Reader::new(file.to_vec(), &Limits::default())?;
    super::super::decode(&reader, "t")
}

fn pick<T: Copy>(random: &mut Random, of: &[T]) -> T {
    of[below(random, of.len())]
}

fn below(random: &mut Random, limit: usize) -> usize {
    usize::try_from(random.bits() >> 20).unwrap() % limit
}

/// Tables and record of a part.
struct Stream {
    sample_len: u64,
    unit_bits: u8,
    symbol_bits: u8,
    num_classes: u16,
    /// If there is a predictor for each tile.
    tiles: bool,
    w: usize,
    contexts: bool,
    tables: Vec<Table>,
    table_bytes: Vec<u8>,
    record: Record,
    record_bytes: Vec<u8>,
}

impl Stream {
    fn new(random: &mut Random, sample_len: u64) -> Self {
        let sample_bits = u8::try_from(sample_len * 8).unwrap();
        let unit_bits = pick(random, &[sample_bits, sample_bits, sample_bits, 4]);
        let (mut predictor, mut transform) = (0, 0);
        if unit_bits != 4 {
            predictor = pick(random, &[0, 0, 1, 2, 3, 4, 5, 6, 255, 255]);
            transform = pick(random, &[0, 0, 1, 2]);
        }
        if matches!(unit_bits, 16 | 32) && below(random, 6) == 0 {
            predictor = 254;
        }
        let numbers = predictor != 0 || transform != 0;
        let order = match predictor {
            254 => 3,
            _ if numbers => pick(random, &[1, 2, 3]),
            _ => 0,
        };
        let contexts = pick(random, &[0, 1, 2, 3]);
        let w = if numbers || contexts != 0 {
            let w = pick(
                random,
                &[1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 40, 64, 100, 131_072],
            );
            // A table for each of so many columns is longer than the chunks.
            if contexts == 3 || predictor == 254 {
                w.min(50)
            } else {
                w
            }
        } else {
            0
        };
        let (classes, num_classes) = classes(random, unit_bits);
        let symbol_bits = 1 + (num_classes - 1).max(1).ilog2().to_le_bytes()[0];
        let num_tables = 1 + below(random, 5);
        let mut table_bytes = vec![u8::try_from(num_tables).unwrap(), 0];
        for _ in 0..num_tables {
            table_bytes.extend(table(random, num_classes, contexts == 0));
        }
        let (tables, _) = naive::parse_tables(&table_bytes, symbol_bits).unwrap();
        let mut record_bytes = vec![unit_bits, order, predictor, transform];
        record_bytes.extend(u32::try_from(w).unwrap().to_le_bytes());
        if predictor == 254 {
            record_bytes.push(if unit_bits == 16 {
                pick(random, &[5, 8])
            } else {
                8
            });
            let factors = (0..w).flat_map(|_| random.bits().to_le_bytes().into_iter().take(4));
            record_bytes.extend(factors);
        }
        record_bytes.extend(classes);
        record_bytes.push(contexts);
        let num_contexts = [0, 32, 16, w][usize::from(contexts)];
        for _ in 0..num_contexts {
            record_bytes.push(u8::try_from(below(random, num_tables)).unwrap());
        }
        let record = Record::parse(&record_bytes, sample_bits.into(), symbol_bits, &tables);
        Self {
            sample_len,
            unit_bits,
            symbol_bits,
            num_classes,
            tiles: predictor == 255,
            w,
            contexts: contexts != 0,
            tables,
            table_bytes,
            record: record.unwrap(),
            record_bytes,
        }
    }

    /// A chunk of random symbols and bits.
    fn chunk(&self, random: &mut Random, samples: u64) -> ForgedChunk {
        let mut entry = naive::Chunk {
            mode: pick(random, &[0, 0, 0, 0, 0, 0, 2, 1]),
            table: 0,
            escapes: 0,
            coded_len: 0,
            coded_crc: 0,
            planes_crc: 0,
            samples,
        };
        let coded = match entry.mode {
            0 => self.coded(random, &mut entry),
            1 => random.bytes(usize::try_from(samples * self.sample_len).unwrap()),
            _ => random.bytes(usize::try_from(self.sample_len).unwrap()),
        };
        ForgedChunk {
            entry,
            coded,
            coded_padding: 0,
            planes: vec![],
        }
    }

    fn coded(&self, random: &mut Random, entry: &mut naive::Chunk) -> Vec<u8> {
        if !self.contexts {
            entry.table = u8::try_from(below(random, self.tables.len())).unwrap();
        }
        let units = entry.samples * self.sample_len * 8 / u64::from(self.unit_bits);
        let units = usize::try_from(units).unwrap();
        let (mut classes, mut coded, mut escapes) = (vec![], vec![], vec![]);
        for i in 0..units {
            let table = &self.tables[self.record.table_of(i, units, &classes, entry.table)];
            let symbol = table.symbol(below(random, 4096));
            coded.push((table, symbol));
            classes.push(table.values[symbol]);
            let is_escape = table.has_escape && symbol + 1 == table.values.len();
            // Most escapes are replaced, and now and then what is none.
            let odds = if is_escape { 20 } else { 5_000 };
            let replaced = (below(random, odds) > 0) == is_escape;
            if table.has_escape && replaced {
                escapes.push(u16::try_from(i).unwrap());
            }
        }
        let mut bytes = naive::encode(&coded);
        for &position in &escapes {
            classes[usize::from(position)] =
                u16::try_from(below(random, self.num_classes.into())).unwrap();
        }
        let bits = self.bits(random, &classes);
        entry.planes_crc = u32::try_from(bits.len()).unwrap();
        entry.escapes = u16::try_from(escapes.len()).unwrap();
        bytes.extend(bits);
        let literals = escapes
            .iter()
            .map(|&position| classes[usize::from(position)]);
        bytes.extend(
            escapes
                .iter()
                .copied()
                .chain(literals)
                .flat_map(u16::to_le_bytes),
        );
        bytes
    }

    /// Predictors of tiles, and the bits of classes.
    fn bits(&self, random: &mut Random, classes: &[u16]) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        if self.tiles {
            let rows = classes.len().div_ceil(self.w);
            for _ in 0..self.w.div_ceil(16) * rows.div_ceil(16) {
                bits.push(random.bits() >> 63 != 0);
                if bits.last() == Some(&false) {
                    let predictor = below(random, 7);
                    bits.extend((0..3).map(|bit| predictor >> bit & 1 != 0));
                }
            }
        }
        for &class in classes {
            let num = self.record.bits_of(class);
            bits.extend((0..num).map(|_| random.bits() >> 63 != 0));
        }
        let byte = |bits: &[bool]| {
            bits.iter()
                .rev()
                .fold(0, |byte, &bit| byte << 1 | u8::from(bit))
        };
        bits.chunks(8).map(byte).collect()
    }
}

/// Classes of units of `n` bits as the record has them, and their number.
fn classes(random: &mut Random, n: u8) -> (Vec<u8>, u16) {
    let kinds: &[u8] = match n {
        4 => &[0],
        8 => &[0, 1, 2, 3],
        _ => &[1, 2, 3],
    };
    let kind = pick(random, kinds);
    let mut bytes = vec![kind];
    let num = match kind {
        0 => 1 << n,
        1 => 4 * u16::from(n),
        2 => {
            let len = usize::from(n / 8);
            let num = 1 + below(random, if n == 8 { 200 } else { 600 });
            let mut values: Vec<u64> = (0..num).map(|_| random.bits() >> (64 - n)).collect();
            values.sort_unstable();
            values.dedup();
            let num = u16::try_from(values.len()).unwrap();
            bytes.extend((num - 1).to_le_bytes());
            values
                .iter()
                .for_each(|value| bytes.extend(&value.to_le_bytes()[..len]));
            num
        }
        _ => {
            let exponent_bits =
                1 + u8::try_from(below(random, usize::from((n - 1).min(12)))).unwrap();
            let f = n - 1 - exponent_bits;
            let z = u8::try_from(below(random, usize::from(f) + 1)).unwrap();
            let h = u8::from(random.bits() >> 63 != 0);
            bytes.extend([f, z, h]);
            1 + (1 << (exponent_bits + h))
        }
    };
    (bytes, num)
}

/// A table of random values below `num_classes` and of skewed frequencies.
fn table(random: &mut Random, num_classes: u16, may_escape: bool) -> Vec<u8> {
    let log2 = pick(random, &[5, 8]);
    let escape = may_escape && random.bits() >> 63 != 0;
    let most = (1 << log2) - usize::from(escape);
    let num = 1 + below(random, most.min(num_classes.into()));
    let mut values: Vec<u16> = (0..num)
        .map(|_| u16::try_from(below(random, num_classes.into())).unwrap())
        .collect();
    values.sort_unstable();
    values.dedup();
    let mut runs: Vec<(u16, u16)> = Vec::new(); // first and number
    for &value in &values {
        match runs.last_mut() {
            Some((first, num)) if *first + *num == value => *num += 1,
            _ => runs.push((value, 1)),
        }
    }
    let mut bytes = vec![
        log2 | u8::from(escape) << 7,
        u8::try_from(runs.len()).unwrap(),
    ];
    let mut least = 0;
    for (first, num) in runs {
        varint(&mut bytes, first - least);
        varint(&mut bytes, num - 1);
        least = first + num + 1;
    }
    let num = u16::try_from(values.len()).unwrap() + u16::from(escape);
    let mut left = 4096 - num; // beyond the one that each has
    let common = below(random, num.into());
    let mut freqs = vec![1; num.into()];
    for freq in &mut freqs {
        let more = u16::try_from(below(random, usize::from(left) / 8 + 1)).unwrap();
        *freq += more;
        left -= more;
    }
    freqs[common] += left;
    freqs
        .into_iter()
        .for_each(|freq| varint(&mut bytes, freq - 1));
    bytes
}

fn varint(bytes: &mut Vec<u8>, value: u16) {
    let [low, high] = [value & 127, value >> 7].map(|half| half.to_le_bytes()[0]);
    if high == 0 {
        bytes.push(low);
    } else {
        bytes.extend([low | 128, high]);
    }
}
