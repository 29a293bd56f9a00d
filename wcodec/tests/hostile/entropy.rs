//! Sections 4.3 and 6: frequency tables, states, words, escapes.

use super::payload::chunk;
use super::refuse_before_layout;
use super::support::forge::Forge;

/// A single table in place of those of `ids`.
fn with_table(f: &mut Forge, table: &[u8]) {
    f.part("ids").tables = [&[1, 0], table].concat();
}

#[test]
fn frequency_tables() {
    refuse_before_layout(&[
        ("64 buckets", "number of buckets breaks rule 6.1", |f| {
            with_table(f, &[6, 1, 0, 0, 0xff, 0x1f])
        }),
        ("no buckets", "number of buckets breaks rule 6.1", |f| {
            with_table(f, &[0, 1, 0, 0, 0xff, 0x1f])
        }),
        ("no symbol", "number of symbols breaks rule 6.1", |f| {
            with_table(f, &[5, 0])
        }),
        ("too many symbols", "rule 6.1", |f| {
            with_table(f, &[&[5, 1, 0, 32][..], &[0; 32], &[0xdf, 0x1f]].concat())
        }),
        (
            "too many with the escape",
            "number of symbols breaks rule 6.1",
            |f| {
                with_table(
                    f,
                    &[&[0x85, 1, 0, 31][..], &[0; 32], &[0xdf, 0x1f]].concat(),
                );
            },
        ),
        (
            "a value beyond the symbol bits",
            "run of symbol values breaks rule 6.1",
            |f| {
                let (gap, rest) = (1 << f.part("ids").fields.symbol_bits, [0, 0xff, 0x1f]);
                let gap: u16 = gap;
                let gap = if gap < 128 {
                    vec![gap.to_le_bytes()[0]]
                } else {
                    vec![
                        (gap & 127 | 128).to_le_bytes()[0],
                        (gap >> 7).to_le_bytes()[0],
                    ]
                };
                with_table(f, &[&[5, 1][..], &gap, &rest].concat());
            },
        ),
        (
            "a second run beyond the symbol bits",
            "run of symbol values breaks rule 6.1",
            |f| {
                with_table(f, &[8, 2, 0, 0, 0xff, 0x7f, 0, 0xfe, 0x1f, 0]);
            },
        ),
        ("a sum of 4095", "sum of frequencies breaks rule 6.1", |f| {
            with_table(f, &[5, 1, 0, 0, 0xfe, 0x1f])
        }),
        ("a sum of 4097", "sum of frequencies breaks rule 6.1", |f| {
            with_table(f, &[5, 1, 0, 1, 0xff, 0x1f, 0])
        }),
        (
            "a sum of 16384",
            "sum of frequencies breaks rule 6.1",
            |f| with_table(f, &[5, 1, 0, 0, 0xff, 0x7f]),
        ),
        ("a number in more bytes than it needs", "rule 1.2", |f| {
            with_table(f, &[5, 1, 0x80, 0, 0, 0xff, 0x1f])
        }),
        ("a number of three bytes", "rule 1.2", |f| {
            with_table(f, &[5, 1, 0, 0, 0xff, 0x9f])
        }),
        ("a table that ends early", "truncated", |f| {
            with_table(f, &[5, 1, 0, 1, 0])
        }),
    ]);
}

#[test]
fn states_and_words() {
    refuse_before_layout(&[
        ("a state below 65536", "rANS states breaks rule 6.3", |f| {
            chunk(f, "w", 0).coded[..4].copy_from_slice(&65_535u32.to_le_bytes());
        }),
        (
            "the last state below 65536",
            "rANS states breaks rule 6.3",
            |f| chunk(f, "w", 1).coded[124..128].fill(0),
        ),
        (
            "a word left over",
            "end of the rANS words breaks rule 6.3",
            |f| chunk(f, "w", 0).coded.extend([0; 2]),
        ),
        (
            "a word missing",
            "number of rANS words breaks rule 6.3",
            |f| {
                let len = chunk(f, "w", 0).coded.len();
                chunk(f, "w", 0).coded.truncate(len - 2);
            },
        ),
        ("another last word", "rule 6.3", |f| {
            *chunk(f, "w", 0).coded.last_mut().unwrap() ^= 1
        }),
        ("another state", "rule 6.3", |f| {
            chunk(f, "ids", 0).coded[3] ^= 0x40
        }),
    ]);
}

/// The `u16` fields of the escapes: positions, then symbols.
fn escape_field(f: &mut Forge, number: usize) -> &mut [u8] {
    let chunk = chunk(f, "escapes", 0);
    let start = chunk.coded.len() - 4 * usize::from(chunk.entry.escapes);
    &mut chunk.coded[start + 2 * number..][..2]
}

#[test]
fn escapes() {
    refuse_before_layout(&[
        (
            "positions that do not rise",
            "escape breaks rule 4.3",
            |f| {
                let first = escape_field(f, 0).to_vec();
                escape_field(f, 1).copy_from_slice(&first);
            },
        ),
        (
            "a position behind the chunk",
            "escape breaks rule 4.3",
            |f| {
                let last = usize::from(chunk(f, "escapes", 0).entry.escapes) - 1;
                escape_field(f, last).copy_from_slice(&u16::MAX.to_le_bytes());
            },
        ),
        ("a symbol too wide", "escape breaks rule 4.3", |f| {
            let first_symbol = usize::from(chunk(f, "escapes", 0).entry.escapes);
            let symbol_bits = f.part("escapes").fields.symbol_bits;
            escape_field(f, first_symbol).copy_from_slice(&(1u16 << symbol_bits).to_le_bytes());
        }),
        ("another symbol", "digest of the decoded bytes", |f| {
            let first_symbol = usize::from(chunk(f, "escapes", 0).entry.escapes);
            escape_field(f, first_symbol)[0] ^= 1;
        }),
    ]);
}
