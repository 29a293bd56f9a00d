//! Section 6.5: code books and packed codes, from random choices, whole and with one rule broken.

use super::assert_refused;
use super::streams::agree;
use super::support::forge::part::{ForgedChunk, ForgedPart};
use super::support::forge::{Forge, stream};
use super::support::{Random, Tensor, encode_with, naive_decoder as naive};
use rayon::prelude::*;
use wcodec::{Dtype, Effort};

const SEED: u64 = 0x9ac_ced;

fn below(random: &mut Random, limit: u64) -> u64 {
    (random.bits() >> 20) % limit
}

fn byte(value: u64) -> u8 {
    u8::try_from(value).unwrap()
}

/// A code book: its bytes, what it needs to be known of, and which codes it may use.
#[derive(Debug, Clone, Default)]
struct Book {
    bytes: Vec<u8>,
    k: u64,
    has_escape: bool,
    /// Codes below it stand for values, or for 0.
    codes: u64,
}

/// A code book of values below 2^`symbol_bits`.
fn book(random: &mut Random, symbol_bits: u8) -> Book {
    let (k, has_escape) = (1 + below(random, 8), below(random, 2) == 1);
    let (mut left, limit) = ((1 << k) - u64::from(has_escape), 1u64 << symbol_bits);
    let (mut runs, mut num_runs, mut least, mut first_of_one) = (vec![], 0, 0, 0);
    for _ in 0..1 + below(random, 4) {
        if least >= limit || left == 0 {
            break;
        }
        let first = least + below(random, (limit - least).min(200));
        let len = 1 + below(random, left.min(limit - first));
        for value in [first - least, len - 1] {
            let [low, high] = [value & 127, value >> 7].map(byte);
            runs.push(if high == 0 { low } else { low | 128 });
            runs.extend(Some(high).filter(|&high| high != 0));
        }
        (first_of_one, num_runs) = (first, num_runs + 1);
        (least, left) = (first + len + 1, left - len);
    }
    // Codes of one run go on behind it, but not beyond the symbol's bits.
    let codes = if num_runs == 1 {
        (limit - first_of_one).min(1 << k)
    } else {
        1 << k
    };
    let head = [byte(k) | u8::from(has_escape) << 7, num_runs];
    Book {
        bytes: [&head[..], &runs].concat(),
        k,
        has_escape,
        codes,
    }
}

/// Fields of `bits` bits as a plane, the first one lowest.
fn pack(fields: &[u64], bits: u64) -> Vec<u8> {
    let bits = fields
        .iter()
        .flat_map(|field| (0..bits).map(move |bit| field >> bit & 1));
    let bits: Vec<u64> = bits.collect();
    let byte = |bits: &[u64]| byte(bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit));
    bits.chunks(8).map(byte).collect()
}

/// A file of one tensor in one packed part.
fn forge(random: &mut Random) -> Forge {
    let dtypes = [
        (Dtype::I8, 1u64),
        (Dtype::F16, 2),
        (Dtype::F32, 4),
        (Dtype::U64, 8),
    ];
    let (dtype, sample_len) = dtypes[usize::try_from(below(random, 4)).unwrap()];
    let chunk_samples = 100 + below(random, 1_000);
    let num_chunks = 1 + below(random, 3);
    let last = 1 + below(random, chunk_samples);
    let samples = chunk_samples * (num_chunks - 1) + last;
    let bytes = vec![0; usize::try_from(samples * sample_len).unwrap()];
    let zeros = [Tensor::new("t", dtype, &[samples], bytes)];
    let mut forge = Forge::open(&encode_with(&zeros, None, Effort::Fast));
    let tensor = &mut forge.tensors[0];
    tensor.chunk_samples = u32::try_from(chunk_samples).unwrap();
    let mapping = below(random, 3);
    let symbol_bits = 1 + below(random, (8 * sample_len - 1).min(14));
    let stored_bits = below(random, 8 * sample_len - symbol_bits + 1).max(u64::from(mapping == 2));
    let mut part = ForgedPart::of(naive::Part {
        method: 4,
        mapping: byte(mapping),
        symbol_bits: byte(symbol_bits),
        stored_bits: byte(stored_bits),
        zero_bits: byte(below(
            random,
            8 * sample_len - symbol_bits - stored_bits + 1,
        )),
        num_chunks: u32::try_from(num_chunks).unwrap(),
        ..tensor.parts[0].fields
    });
    let num_books = 1 + below(random, 3);
    let books: Vec<Book> = (0..num_books)
        .map(|_| book(random, byte(symbol_bits)))
        .collect();
    part.tables = vec![byte(num_books), 0];
    books
        .iter()
        .for_each(|book| part.tables.extend(&book.bytes));
    for number in 0..num_chunks {
        let samples = if number + 1 == num_chunks {
            last
        } else {
            chunk_samples
        };
        part.chunks
            .push(chunk(random, &books, &part.fields, samples));
    }
    tensor.parts = vec![part];
    forge
}

fn chunk(random: &mut Random, books: &[Book], part: &naive::Part, samples: u64) -> ForgedChunk {
    let table = byte(below(random, books.len() as u64));
    let book = &books[usize::from(table)];
    let codes: Vec<u64> = (0..samples).map(|_| below(random, book.codes)).collect();
    let mut coded = Vec::new();
    let mut left = book.k;
    for width in [1, 2, 4, 8].into_iter().filter(|width| book.k & width != 0) {
        left -= width;
        let fields: Vec<u64> = codes
            .iter()
            .map(|code| code >> left & ((1 << width) - 1))
            .collect();
        coded.extend(pack(&fields, width));
    }
    let odds = 2 + below(random, 50);
    let positions: Vec<u16> = (0..u16::try_from(samples).unwrap())
        .filter(|_| book.has_escape && below(random, odds) == 0)
        .collect();
    let literals = positions
        .iter()
        .map(|_| u16::try_from(below(random, 1 << part.symbol_bits)).unwrap())
        .collect::<Vec<_>>();
    let fields = [&positions[..], &literals].concat();
    coded.extend(fields.into_iter().flat_map(u16::to_le_bytes));
    let mut widths: Vec<u64> = vec![1, 2, 4, 8];
    widths.retain(|width| u64::from(part.stored_bits) & width != 0);
    widths.extend(vec![16; usize::from(part.stored_bits / 16)]);
    let planes = widths.into_iter().map(|width| {
        let fields: Vec<u64> = (0..samples).map(|_| below(random, 1 << width)).collect();
        let mut plane = pack(&fields, width);
        plane.resize(plane.len().next_multiple_of(16), 0);
        plane
    });
    ForgedChunk {
        planes: planes.collect(),
        entry: naive::Chunk {
            mode: 0,
            table,
            escapes: u16::try_from(positions.len()).unwrap(),
            coded_len: 0,
            coded_crc: 0,
            planes_crc: 0,
            samples,
        },
        coded,
        coded_padding: 0,
    }
}

#[test]
fn random_codes_decode_alike() {
    const ROUNDS: u64 = 600;
    let valid: usize = (1..=ROUNDS)
        .into_par_iter()
        .map(|round| {
            let file = stream::seal(&mut forge(&mut Random(SEED * round)));
            usize::from(agree(&format!("round {round}"), &file))
        })
        .sum();
    assert!(valid as u64 > ROUNDS / 3, "only {valid} are valid");
}

#[test]
fn damaged_codes_are_judged_alike() {
    for round in 1..=2_000 {
        let mut random = Random(SEED * round + 1);
        let mut forge = forge(&mut random);
        stream::seal(&mut forge);
        let part = &mut forge.tensors[0].parts[0];
        let chunk = &mut part.chunks[0];
        let kind = below(&mut random, 6);
        let at = below(&mut random, part.tables.len() as u64);
        match kind {
            0 => part.tables[usize::try_from(at).unwrap()] ^= 1 << below(&mut random, 8),
            1 => chunk.coded.push(0),
            2 => {
                chunk.coded.pop();
            }
            3 => chunk.entry.escapes ^= 1 << below(&mut random, 16),
            4 => {
                let end = chunk.coded.len() - 1;
                chunk.coded[end] ^= 1 << below(&mut random, 8);
            }
            _ => part.fields.method = 0,
        }
        agree(
            &format!("round {round}, damage {kind}"),
            &stream::seal(&mut forge),
        );
    }
}

/// 1000 I8 samples in one chunk: codes of 3 bits for the values 3 to 9 and an escape, two escapes.
fn base() -> Forge {
    let zeros = [Tensor::new("t", Dtype::I8, &[1_000], vec![0; 1_000])];
    let mut forge = Forge::open(&encode_with(&zeros, None, Effort::Fast));
    let tensor = &mut forge.tensors[0];
    let mut part = ForgedPart::of(naive::Part {
        method: 4,
        symbol_bits: 8,
        ..tensor.parts[0].fields
    });
    part.tables = vec![1, 0, 0x83, 1, 3, 6];
    let mut chunk = chunk(
        &mut Random(1),
        &[Book {
            k: 3,
            codes: 8,
            ..Book::default()
        }],
        &part.fields,
        1_000,
    );
    chunk.entry.escapes = 2;
    chunk.coded.extend([5, 0, 231, 3, 77, 0, 255, 0]);
    part.chunks = vec![chunk];
    tensor.parts = vec![part];
    forge
}

#[test]
fn the_base_is_valid() {
    assert!(agree("base", &stream::seal(&mut base())));
}

type Case = (&'static str, &'static str, fn(&mut ForgedPart));

/// `book` in place of the only one.
fn with_book(part: &mut ForgedPart, book: &[u8]) {
    part.tables = [&[1, 0], book].concat();
}

#[test]
fn code_books_and_codes() {
    let cases: &[Case] = &[
        ("codes of 0 bits", "rule 6.5", |p| {
            with_book(p, &[0x80, 1, 3, 0])
        }),
        ("codes of 9 bits", "rule 6.5", |p| {
            with_book(p, &[0x89, 1, 3, 6])
        }),
        ("codes of 127 bits", "rule 6.5", |p| {
            with_book(p, &[0xff, 1, 3, 6])
        }),
        ("no symbol", "rule 6.5", |p| with_book(p, &[3, 0])),
        ("too many symbols", "rule 6.", |p| {
            with_book(p, &[3, 1, 3, 8])
        }),
        ("too many with the escape", "rule 6.5", |p| {
            with_book(p, &[0x83, 1, 3, 7])
        }),
        ("a value beyond the symbol", "rule 6.", |p| {
            with_book(p, &[0x83, 1, 0xfa, 1, 6])
        }),
        ("a second run beyond", "rule 6.", |p| {
            with_book(p, &[0x83, 2, 0, 0, 0xff, 1, 0])
        }),
        ("a long number", "rule 1.2", |p| {
            with_book(p, &[0x83, 1, 0x83, 0, 6])
        }),
        ("a book that ends early", "truncated", |p| {
            with_book(p, &[0x83, 1, 3])
        }),
        ("257 books", "rule 4.2", |p| p.tables[..2].fill(1)),
        ("a byte after the books", "rule 4.2", |p| p.tables.push(0)),
        ("no book", "rule 4.2", |p| p.tables = vec![0, 0]),
        ("another book", "chunk 0", |p| p.chunks[0].entry.table = 1),
        ("escapes without an escape", "chunk 0", |p| {
            with_book(p, &[3, 1, 3, 6])
        }),
        ("a byte more", "chunk 0", |p| p.chunks[0].coded.push(0)),
        ("a byte less", "chunk 0", |p| {
            p.chunks[0].coded.pop();
        }),
        ("an escape less", "chunk 0", |p| {
            p.chunks[0].entry.escapes = 1
        }),
        ("an escape more", "chunk 0", |p| {
            p.chunks[0].entry.escapes = 3
        }),
        ("escapes that do not rise", "rule 4.3", |p| {
            let end = p.chunks[0].coded.len();
            p.chunks[0].coded[end - 6..end - 4].fill(0);
        }),
        ("an escape behind the chunk", "rule 4.3", |p| {
            let end = p.chunks[0].coded.len();
            p.chunks[0].coded[end - 6] = 232;
        }),
        ("a literal too wide", "rule 4.3", |p| {
            *p.chunks[0].coded.last_mut().unwrap() = 1
        }),
        ("no symbol bits", "rule 5.2", |p| p.fields.symbol_bits = 0),
    ];
    for (label, expected, edit) in cases {
        let mut forge = base();
        edit(&mut forge.tensors[0].parts[0]);
        assert_refused(label, expected, &stream::seal(&mut forge));
    }
}
