//! Sections 3.3 to 5: parts, splits, chunk tables.

use super::support::forge::Forge;
use super::support::forge::part::ForgedChunk;
use super::{refuse_after_layout, refuse_before_layout};

#[test]
fn parts() {
    refuse_before_layout(&[
        ("unknown method", "part method 5 is not supported", |f| {
            f.part("ones").fields.method = 5
        }),
        ("plane", "is not supported", |f| f.part("w").plane = 1),
        ("reserved bytes", "is not supported", |f| {
            f.part("w").reserved = 0x100
        }),
        (
            "unknown mapping",
            "sample mapping 3 is not supported",
            |f| f.part("w").fields.mapping = 3,
        ),
        ("first chunk", "first_chunk breaks rule 3.3", |f| {
            f.part("ones").fields.first_chunk = 1
        }),
        ("no chunk", "num_chunks of a part breaks rule 3.3", |f| {
            f.part("w").fields.num_chunks = 0
        }),
        ("too few chunks", "number of chunks breaks rule 3.3", |f| {
            f.part("ones").fields.num_chunks = {
                f.tensor("ones").chunk_samples = 50;
                1
            }
        }),
        ("too many chunks", "number of chunks breaks rule 3.3", |f| {
            f.part("ones").fields.num_chunks = 2
        }),
        (
            "chunks beyond 2^32",
            "num_chunks of a part breaks rule 3.3",
            |f| {
                (
                    f.part("w").fields.first_chunk,
                    f.part("w").fields.num_chunks,
                ) = (2, u32::MAX);
            },
        ),
        (
            "a part of more than 128 MiB",
            "num_chunks of a part breaks rule 3.3",
            |f| {
                let ones = f.tensor("ones");
                (ones.shape, ones.chunk_samples) = (vec![(1 << 25) + 1], 65_536);
                ones.parts[0].fields.num_chunks = 513;
            },
        ),
        (
            "a stored part with a byte less",
            "payload length breaks rule 3.3",
            |f| f.part("noise").raw.truncate(64),
        ),
        (
            "a stored part with a byte more",
            "payload length breaks rule 3.3",
            |f| f.part("noise").raw.push(0),
        ),
        (
            "a constant of two samples",
            "payload length breaks rule 3.3",
            |f| f.part("ones").raw.extend([0; 4]),
        ),
        (
            "a constant of half a sample",
            "payload length breaks rule 3.3",
            |f| f.part("ones").raw.truncate(2),
        ),
        (
            "a chunked part longer than its bytes",
            "payload length breaks rule 3.3",
            |f| f.part("w").chunks[0].planes[0].extend([0; 51_200]),
        ),
        ("a stored part with a mapping", "rule 3.3", |f| {
            f.part("noise").fields.mapping = 1
        }),
        ("a stored part with symbol bits", "rule 3.3", |f| {
            f.part("noise").fields.symbol_bits = 8
        }),
        ("a constant part with stored bits", "rule 3.3", |f| {
            f.part("ones").fields.stored_bits = 8
        }),
        ("a constant part with zero bits", "rule 3.3", |f| {
            f.part("ones").fields.zero_bits = 8
        }),
    ]);
    refuse_after_layout(&[
        (
            "no chunk table",
            "length of the chunk table breaks rule 3.3",
            |f| f.part("w").fields.table_len = 0,
        ),
        ("a longer chunk table", "chunk table is damaged", |f| {
            f.part("w").fields.table_len += 1
        }),
        (
            "a chunk table longer than the payload",
            "length of the chunk table breaks rule 3.3",
            |f| {
                f.part("w").fields.table_len = u32::MAX;
            },
        ),
        (
            "a stored part with a table",
            "length of the chunk table breaks rule 3.3",
            |f| {
                f.part("noise").fields.table_len = 1;
            },
        ),
        ("checksum of a chunk table", "chunk table is damaged", |f| {
            f.part("w").fields.crc ^= 1
        }),
        ("checksum of a stored part", "is damaged", |f| {
            f.part("noise").fields.crc ^= 1
        }),
        ("checksum of a constant part", "is damaged", |f| {
            f.part("ones").fields.crc ^= 1
        }),
    ]);
}

#[test]
fn splits() {
    let cases: [(&str, &str, [u8; 4]); 9] = [
        ("no symbol bits", "w", [2, 0, 8, 0]),
        ("15 symbol bits", "ids", [1, 15, 0, 0]),
        ("255 symbol bits", "ids", [1, 255, 0, 0]),
        ("more than the sample", "w", [2, 8, 9, 0]),
        ("more than the sample with zeros", "w", [2, 7, 8, 2]),
        ("stored bits beyond 64", "ids", [1, 14, 51, 0]),
        ("sums that wrap", "ids", [1, 8, 255, 255]),
        ("floats without a sign", "w", [2, 7, 0, 0]),
        ("8-bit samples", "mixed", [0, 8, 1, 0]),
    ];
    for (label, tensor, [mapping, symbol_bits, stored_bits, zero_bits]) in cases {
        let mut forge = Forge::open(super::base());
        let part = &mut forge.part(tensor).fields;
        (
            part.mapping,
            part.symbol_bits,
            part.stored_bits,
            part.zero_bits,
        ) = (mapping, symbol_bits, stored_bits, zero_bits);
        forge.lay_out();
        super::assert_refused(label, "rule 5.2", &forge.seal());
    }
}

pub(super) fn chunk<'a>(forge: &'a mut Forge, tensor: &str, number: usize) -> &'a mut ForgedChunk {
    &mut forge.part(tensor).chunks[number]
}

#[test]
fn chunk_tables() {
    refuse_before_layout(&[
        ("no number of tables", "rule 3.3", |f| {
            f.part("ids").tables.clear()
        }),
        ("half a number of tables", "truncated", |f| {
            f.part("ids").tables.truncate(1)
        }),
        ("a table less than said", "truncated", |f| {
            f.part("ids").tables[0] += 1
        }),
        ("257 tables", "num_tables breaks rule 4.2", |f| {
            f.part("ids").tables[..2].copy_from_slice(&[1, 1])
        }),
        (
            "a byte after the tables",
            "end of the chunk table breaks rule 4.2",
            |f| f.part("ids").tables.push(0),
        ),
        ("an unknown mode", "chunk mode 3 is not supported", |f| {
            chunk(f, "ids", 0).entry.mode = 3
        }),
        (
            "a table that is not there",
            "chunk's table breaks rule 4.2",
            |f| chunk(f, "ids", 0).entry.table = 255,
        ),
        ("no table at all", "chunk's table breaks rule 4.2", |f| {
            f.part("ids").tables = vec![0, 0]
        }),
        (
            "escapes without an escape",
            "num_escapes breaks rule 4.2",
            |f| chunk(f, "w", 0).entry.escapes = 1,
        ),
        (
            "more escapes than samples",
            "num_escapes breaks rule 4.2",
            |f| chunk(f, "escapes", 0).entry.escapes = u16::MAX,
        ),
        ("an odd length", "coded_bytes breaks rule 4.2", |f| {
            chunk(f, "w", 0).coded.push(0)
        }),
        (
            "a length below the states'",
            "coded_bytes breaks rule 4.2",
            |f| chunk(f, "ids", 0).coded.truncate(126),
        ),
        (
            "more than a word a sample",
            "coded_bytes breaks rule 4.2",
            |f| chunk(f, "ids", 0).coded.resize(130 + 800, 0),
        ),
        (
            "a stored chunk with a byte less",
            "coded_bytes breaks rule 4.2",
            |f| chunk(f, "mixed", 2).coded.truncate(16_383),
        ),
        (
            "a constant chunk of two samples",
            "coded_bytes breaks rule 4.2",
            |f| chunk(f, "mixed", 1).coded.push(9),
        ),
        (
            "a constant chunk of none",
            "coded_bytes breaks rule 4.2",
            |f| chunk(f, "mixed", 1).coded.clear(),
        ),
        ("a stored chunk with a table", "unused field", |f| {
            chunk(f, "mixed", 2).entry.table = 1
        }),
        ("a stored chunk with escapes", "unused field", |f| {
            chunk(f, "mixed", 2).entry.escapes = 1
        }),
        ("a constant chunk with planes", "unused field", |f| {
            chunk(f, "mixed", 1).entry.planes_crc = 1
        }),
        (
            "a plane of another length",
            "payload length breaks rule 4.1",
            |f| chunk(f, "w", 0).planes[0].extend([0; 16]),
        ),
        ("a plane missing", "payload length breaks rule 4.1", |f| {
            chunk(f, "w", 1).planes.clear()
        }),
    ]);
    // Checksums of chunks lie in the table, which has one of its own.
    let cases: [(&str, &str, &str, usize); 4] = [
        ("checksum of coded bytes", "coded bytes is damaged", "w", 8),
        ("checksum of planes", "stored planes is damaged", "w", 12),
        (
            "checksum of a constant chunk",
            "coded bytes is damaged",
            "mixed",
            16 + 8,
        ),
        (
            "checksum of a stored chunk",
            "coded bytes is damaged",
            "mixed",
            32 + 8,
        ),
    ];
    for (label, expected, tensor, at) in cases {
        let mut forge = Forge::open(super::base());
        forge.lay_out();
        let part = &mut forge.part(tensor).fields;
        let (end, len) = (
            usize::try_from(part.offset + part.len).unwrap() - 128,
            usize::try_from(part.table_len).unwrap(),
        );
        forge.body[end - len + at] ^= 1;
        forge.part(tensor).fields.crc = crc32c::crc32c(&forge.body[end - len..end]);
        super::assert_refused(label, expected, &forge.seal());
    }
}
