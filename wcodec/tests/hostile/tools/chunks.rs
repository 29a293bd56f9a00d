//! Sections 4.4 and 6.4: chunks, their bits, escapes and contexts.

use super::super::support::forge::part::ForgedPart;
use super::{Base, CONTEXTS, refuse, set_row};

#[test]
fn contexts() {
    refuse(&[
        (
            "unknown kind",
            ": kind of contexts 4 is not supported",
            Base::Above,
            |part| part.record[CONTEXTS] = 4,
        ),
        (
            "table not there",
            ": table of a context breaks rule 6.4",
            Base::Above,
            |part| part.record[CONTEXTS + 1] = part.tables[0],
        ),
        (
            "last not there",
            ": table of a context breaks rule 6.4",
            Base::Columns,
            |part| *part.record.last_mut().unwrap() = 255,
        ),
        (
            "one column less",
            ": truncated: tables of contexts",
            Base::Columns,
            |part| {
                part.record.pop();
            },
        ),
        (
            "wider rows",
            ": truncated: tables of contexts",
            Base::Columns,
            |part| set_row(part, 131_072),
        ),
        (
            "one column more",
            ": end of the chunk table breaks rule 4.2",
            Base::Columns,
            |part| part.record.push(0),
        ),
        (
            "one band less",
            ": truncated: tables of contexts",
            Base::Bands,
            |part| {
                part.record.pop();
            },
        ),
        (
            "a chunk's table",
            ", chunk 0: chunk's table breaks rule 4.2",
            Base::Above,
            |part| part.chunks[0].entry.table = 1,
        ),
        (
            "escapes",
            ", chunk 0: num_escapes breaks rule 4.2",
            Base::Above,
            |part| part.chunks[0].entry.escapes = 1,
        ),
        (
            "an escape",
            ": table of classes breaks rule 4.4",
            Base::Above,
            |part| {
                // One more table, which no context names.
                part.tables[0] += 1;
                part.tables.extend([0x85, 0, 0xff, 0x1f]);
            },
        ),
        (
            "no table",
            ": table of a context breaks rule 6.4",
            Base::Above,
            |part| part.tables = vec![0, 0],
        ),
    ]);
}

#[test]
fn bits() {
    refuse(&[
        (
            "one byte less",
            ", chunk 0: number of bits of the classes breaks rule 4.4",
            Base::Tiles,
            |part| {
                part.chunks[0].coded.pop();
                part.chunks[0].entry.planes_crc -= 1;
            },
        ),
        (
            "one byte more",
            ", chunk 0: number of bits of the classes breaks rule 4.4",
            Base::Tiles,
            |part| {
                part.chunks[0].coded.push(0);
                part.chunks[0].entry.planes_crc += 1;
            },
        ),
        (
            "no bits",
            ", chunk 0: number of bits of the classes breaks rule 4.4",
            Base::Tiles,
            |part| {
                let chunk = &mut part.chunks[0];
                chunk
                    .coded
                    .truncate(chunk.coded.len() - chunk.entry.planes_crc as usize);
                chunk.entry.planes_crc = 0;
            },
        ),
        (
            "bits of values",
            ", chunk 0: number of bits of the classes breaks rule 4.4",
            Base::Nibbles,
            |part| {
                part.chunks[0].coded.push(0);
                part.chunks[0].entry.planes_crc = 1;
            },
        ),
        (
            "bits taken for words",
            ", chunk 0: end of the rANS words breaks rule 6.3",
            Base::Tiles,
            |part| part.chunks[0].entry.planes_crc -= 2,
        ),
        (
            "words taken for bits",
            ", chunk 0: number of rANS words breaks rule 6.3",
            Base::Tiles,
            |part| part.chunks[0].entry.planes_crc += 2,
        ),
        (
            "half a word",
            ", chunk 0: coded_bytes breaks rule 4.2",
            Base::Tiles,
            |part| part.chunks[0].entry.planes_crc -= 1,
        ),
        (
            "longer than coded",
            ", chunk 0: coded_bytes breaks rule 4.2",
            Base::Tiles,
            |part| part.chunks[0].entry.planes_crc = u32::MAX,
        ),
        (
            "states taken for bits",
            ", chunk 0: coded_bytes breaks rule 4.2",
            Base::Tiles,
            |part| {
                part.chunks[0].entry.planes_crc =
                    u32::try_from(part.chunks[0].coded.len()).unwrap() - 126
            },
        ),
        (
            "more than a word a unit",
            ", chunk 0: coded_bytes breaks rule 4.2",
            Base::Columns,
            |part| {
                let len = 128 + 2 * 2_001 + part.chunks[0].entry.planes_crc as usize;
                part.chunks[0].coded.resize(len, 0);
            },
        ),
        (
            "bits left over",
            ", chunk 0: number of bits of the classes breaks rule 4.4",
            Base::Tiles,
            |part| *part.chunks[0].coded.last_mut().unwrap() |= 0x80,
        ),
        (
            "predictor 7 of a tile",
            ", chunk 0: predictor 7 is not supported",
            Base::Tiles,
            |part| {
                let chunk = &mut part.chunks[0];
                let bits = chunk.coded.len() - chunk.entry.planes_crc as usize;
                chunk.coded[bits] = chunk.coded[bits] & 0xf0 | 0b1110;
            },
        ),
    ]);
}

#[test]
fn lengths_of_a_stored_and_a_constant_chunk() {
    refuse(&[
        (
            "stored, with bits",
            ", chunk 0: unused field of a chunk entry breaks rule 4.2",
            Base::Palette,
            |part| {
                let chunk = &mut part.chunks[0];
                (chunk.entry.mode, chunk.entry.planes_crc) = (1, 1);
                let len = usize::try_from(2 * chunk.entry.samples).unwrap();
                chunk.coded.resize(len, 0);
            },
        ),
        (
            "constant, with bits",
            ", chunk 0: unused field of a chunk entry breaks rule 4.2",
            Base::Tiles,
            |part| {
                let chunk = &mut part.chunks[0];
                (chunk.entry.mode, chunk.entry.planes_crc) = (2, 1);
                chunk.coded.truncate(2);
            },
        ),
        (
            "constant, of a nibble",
            ", chunk 0: coded_bytes breaks rule 4.2",
            Base::Nibbles,
            |part| {
                part.chunks[0].entry.mode = 2;
                part.chunks[0].coded.truncate(1);
            },
        ),
    ]);
}

/// The `u16` fields of the escapes: positions, then symbols.
fn escape_field(part: &mut ForgedPart, number: usize) -> &mut [u8] {
    let chunk = &mut part.chunks[0];
    let start = chunk.coded.len() - 4 * usize::from(chunk.entry.escapes);
    &mut chunk.coded[start + 2 * number..][..2]
}

#[test]
fn escapes_of_units() {
    refuse(&[
        (
            "positions",
            ", chunk 0: escape breaks rule 4.3",
            Base::Escapes,
            |part| {
                let first = escape_field(part, 0).to_vec();
                escape_field(part, 1).copy_from_slice(&first);
            },
        ),
        (
            "behind the chunk",
            ", chunk 0: escape breaks rule 4.3",
            Base::Escapes,
            |part| {
                let last = usize::from(part.chunks[0].entry.escapes) - 1;
                escape_field(part, last).fill(0xff);
            },
        ),
        (
            "a literal that is no class",
            ", chunk 0: escape breaks rule 4.3",
            Base::Escapes,
            |part| {
                let literal = usize::from(part.chunks[0].entry.escapes);
                escape_field(part, literal).fill(0xff);
            },
        ),
        (
            "more escapes than units",
            ", chunk 0: num_escapes breaks rule 4.2",
            Base::Escapes,
            |part| {
                part.chunks[0].entry.escapes = u16::MAX;
            },
        ),
        (
            "one escape less",
            ", chunk 0: end of the rANS words breaks rule 6.3",
            Base::Escapes,
            |part| {
                part.chunks[0].entry.escapes -= 1;
            },
        ),
        (
            "one escape more",
            ", chunk 0: number of rANS words breaks rule 6.3",
            Base::Escapes,
            |part| {
                part.chunks[0].entry.escapes += 1;
            },
        ),
    ]);
}
