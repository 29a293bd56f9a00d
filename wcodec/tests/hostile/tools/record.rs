//! Sections 3.3 and 4.4: the entry of a part and its record.

use super::{Base, CONTEXTS, ORDER, PREDICTOR, TRANSFORM, refuse, set_row};

#[test]
fn part_entries() {
    refuse(&[
        (
            "a mapping",
            ": split of the sample's bits breaks rule 4.4",
            Base::Tiles,
            |part| part.fields.mapping = 1,
        ),
        (
            "stored bits",
            ": split of the sample's bits breaks rule 4.4",
            Base::Tiles,
            |part| part.fields.stored_bits = 1,
        ),
        (
            "zero bits",
            ": split of the sample's bits breaks rule 4.4",
            Base::Tiles,
            |part| part.fields.zero_bits = 1,
        ),
        (
            "no symbol bits",
            ": split of the sample's bits breaks rule 4.4",
            Base::Tiles,
            |part| part.fields.symbol_bits = 0,
        ),
        (
            "15 symbol bits",
            ": split of the sample's bits breaks rule 4.4",
            Base::Tiles,
            |part| part.fields.symbol_bits = 15,
        ),
        (
            "more symbol bits",
            ": symbol_bits breaks rule 4.4",
            Base::Tiles,
            |part| part.fields.symbol_bits += 1,
        ),
        (
            "more symbol bits",
            ": symbol_bits breaks rule 4.4",
            Base::Nibbles,
            |part| part.fields.symbol_bits += 1,
        ),
        (
            "as long as decoded",
            ": payload length breaks rule 3.3",
            Base::Tiles,
            |part| part.chunks[0].coded.resize(13_400, 0),
        ),
    ]);
}

#[test]
fn records() {
    refuse(&[
        (
            "units of 8 bits",
            ": bits of a unit breaks rule 4.4",
            Base::Tiles,
            |part| part.record[0] = 8,
        ),
        (
            "units of 32 bits",
            ": bits of a unit breaks rule 4.4",
            Base::Tiles,
            |part| part.record[0] = 32,
        ),
        (
            "units of 2 bits",
            ": bits of a unit breaks rule 4.4",
            Base::Nibbles,
            |part| part.record[0] = 2,
        ),
        (
            "units of no bits",
            ": bits of a unit breaks rule 4.4",
            Base::Nibbles,
            |part| part.record[0] = 0,
        ),
        (
            "unknown order",
            ": order of samples 3 is not supported",
            Base::Tiles,
            |part| part.record[ORDER] = 4,
        ),
        (
            "order 255",
            ": order of samples 254 is not supported",
            Base::Tiles,
            |part| part.record[ORDER] = 255,
        ),
        (
            "no order",
            ": order of samples breaks rule 4.4",
            Base::Tiles,
            |part| part.record[ORDER] = 0,
        ),
        (
            "no order of a transform",
            ": order of samples breaks rule 4.4",
            Base::Bands,
            |part| part.record[ORDER] = 0,
        ),
        (
            "order of samples",
            ": order of samples breaks rule 4.4",
            Base::Palette,
            |part| part.record[ORDER] = 1,
        ),
        (
            "order of nibbles",
            ": order of samples breaks rule 4.4",
            Base::Nibbles,
            |part| part.record[ORDER] = 1,
        ),
        (
            "unknown predictor",
            ": predictor 7 is not supported",
            Base::Tiles,
            |part| part.record[PREDICTOR] = 7,
        ),
        (
            "predictor 253",
            ": predictor 253 is not supported",
            Base::Tiles,
            |part| part.record[PREDICTOR] = 253,
        ),
        (
            "a recurrence of integers",
            ": order of samples breaks rule 4.4",
            Base::Tiles,
            |part| part.record[PREDICTOR] = 254,
        ),
        (
            "a recurrence of signed floats",
            ": order of samples breaks rule 4.4",
            Base::Recurrence,
            |part| part.record[ORDER] = 1,
        ),
        (
            "a recurrence of floats with 6 exponent bits",
            ": exponent bits of a recurrence breaks rule 4.4",
            Base::Recurrence,
            |part| part.record[8] = 6,
        ),
        (
            "a recurrence without rows",
            ": units of a row breaks rule 4.4",
            Base::Recurrence,
            |part| set_row(part, 0),
        ),
        (
            "a recurrence of too many columns",
            ": units of a row breaks rule 4.4",
            Base::Recurrence,
            |part| set_row(part, 4097),
        ),
        (
            "factors missing",
            ": truncated: factor of a recurrence",
            Base::Recurrence,
            |part| set_row(part, 4096),
        ),
        (
            "unknown transform",
            ": transform 3 is not supported",
            Base::Bands,
            |part| part.record[TRANSFORM] = 3,
        ),
        (
            "predicted nibbles",
            ": order of samples breaks rule 4.4",
            Base::Nibbles,
            |part| {
                part.record[ORDER..=PREDICTOR].copy_from_slice(&[1, 1]);
                set_row(part, 20);
            },
        ),
        (
            "transformed nibbles",
            ": order of samples breaks rule 4.4",
            Base::Nibbles,
            |part| {
                part.record[ORDER..=TRANSFORM].copy_from_slice(&[1, 0, 1]);
                set_row(part, 20);
            },
        ),
        (
            "row of 0, predictor",
            ": units of a row breaks rule 4.4",
            Base::Tiles,
            |part| set_row(part, 0),
        ),
        (
            "row of 0, transform",
            ": units of a row breaks rule 4.4",
            Base::Bands,
            |part| set_row(part, 0),
        ),
        (
            "row too large",
            ": units of a row breaks rule 4.4",
            Base::Tiles,
            |part| set_row(part, 131_073),
        ),
        (
            "row of 2^32 - 1",
            ": units of a row breaks rule 4.4",
            Base::Above,
            |part| set_row(part, u32::MAX),
        ),
        (
            "a row of nothing",
            ": units of a row breaks rule 4.4",
            Base::Palette,
            |part| set_row(part, 50),
        ),
        (
            "row of 0, contexts",
            ": units of a row breaks rule 4.4",
            Base::Nibbles,
            |part| {
                part.record[CONTEXTS] = 1;
                part.record.extend([0; 32]);
            },
        ),
        (
            "a byte after it",
            ": end of the chunk table breaks rule 4.2",
            Base::Tiles,
            |part| part.record.push(0),
        ),
        (
            "a byte less",
            ": truncated: kind of contexts",
            Base::Tiles,
            |part| {
                part.record.pop();
            },
        ),
        ("no record", ": truncated: tools", Base::Tiles, |part| {
            part.record.clear()
        }),
    ]);
}
