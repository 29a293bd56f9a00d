//! Section 5.4: classes.

use super::{Base, CLASSES, refuse};

#[test]
fn classes() {
    refuse(&[
        (
            "unknown kind",
            ": kind of classes 4 is not supported",
            Base::Tiles,
            |part| part.record[CLASSES] = 4,
        ),
        (
            "values of 16 bits",
            ": classes of values breaks rule 5.4",
            Base::Tiles,
            |part| part.record[CLASSES] = 0,
        ),
        (
            "tokens of nibbles",
            ": classes of tokens breaks rule 5.4",
            Base::Nibbles,
            |part| part.record[CLASSES] = 1,
        ),
        (
            "palette of nibbles",
            ": palette breaks rule 5.4",
            Base::Nibbles,
            |part| {
                part.record.splice(CLASSES..=CLASSES, [2, 15, 0]);
            },
        ),
        (
            "a huge palette",
            ": truncated: value of a palette",
            Base::Palette,
            |part| part.record[CLASSES + 1..][..2].fill(0xff),
        ),
        (
            "too large a palette",
            ": palette breaks rule 5.4",
            Base::Palette,
            |part| {
                let values: Vec<u16> = (0..=1 << 14).collect();
                part.fields.symbol_bits = 14;
                part.record.truncate(CLASSES + 1);
                part.record.extend((1u16 << 14).to_le_bytes());
                part.record
                    .extend(values.into_iter().flat_map(u16::to_le_bytes));
                part.record.push(0);
            },
        ),
        (
            "equal values",
            ": palette breaks rule 5.4",
            Base::Palette,
            |part| {
                part.record
                    .copy_within(CLASSES + 3..CLASSES + 5, CLASSES + 5)
            },
        ),
        (
            "falling values",
            ": palette breaks rule 5.4",
            Base::Palette,
            |part| part.record[CLASSES + 3..][..2].fill(0xff),
        ),
        (
            "more zeros than fraction",
            ": classes of floats breaks rule 5.4",
            Base::Floats,
            |part| part.record[CLASSES + 2] = 24,
        ),
        (
            "h of 2",
            ": classes of floats breaks rule 5.4",
            Base::Floats,
            |part| part.record[CLASSES + 3] = 2,
        ),
        (
            "exponent of 0 bits",
            ": classes of floats breaks rule 5.4",
            Base::Floats,
            |part| part.record[CLASSES + 1] = 31,
        ),
        (
            "exponent of 13 bits",
            ": classes of floats breaks rule 5.4",
            Base::Floats,
            |part| part.record[CLASSES + 1] = 18,
        ),
        (
            "fraction of 32 bits",
            ": classes of floats breaks rule 5.4",
            Base::Floats,
            |part| part.record[CLASSES + 1] = 32,
        ),
        (
            "fraction of 255 bits",
            ": classes of floats breaks rule 5.4",
            Base::Floats,
            |part| part.record[CLASSES + 1] = 255,
        ),
        (
            "a value that is no class",
            ": table of classes breaks rule 4.4",
            Base::Palette,
            |part| {
                // As many bits, a value less.
                let num = u16::from_le_bytes([part.record[CLASSES + 1], part.record[CLASSES + 2]]);
                part.record[CLASSES + 1..][..2].copy_from_slice(&(num - 1).to_le_bytes());
                let end = part.record.len() - 1;
                part.record.drain(end - 2..end);
            },
        ),
        (
            "fewer classes",
            ": symbol_bits breaks rule 4.4",
            Base::Palette,
            |part| {
                part.record.truncate(CLASSES + 5);
                part.record[CLASSES + 1..][..2].fill(0);
                part.record.push(0);
            },
        ),
    ]);
}

/// They were once decoded with the sign of a byte.
#[test]
fn nibbles_are_no_floats() {
    refuse(&[(
        "floats of nibbles",
        ": classes of floats breaks rule 5.4",
        Base::Nibbles,
        |part| {
            // 17 classes.
            part.fields.symbol_bits = 5;
            part.record.splice(CLASSES..=CLASSES, [3, 0, 0, 1]);
        },
    )]);
}
