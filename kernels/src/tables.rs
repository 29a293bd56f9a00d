//! Tables, code books and records of tools in the form that kernels read them in.

use crate::layout::{Bucket, CodeBook, NO_ORDER, Table, Tools};
use wcodec::device::{self, Classes, Values};
use wcodec::format::{CLASSES_FLOAT, CLASSES_PALETTE, CLASSES_TOKENS, CLASSES_VALUES};

/// Appends a frequency table.
pub(crate) fn write_table(table: &device::Table, out: &mut Vec<u8>) {
    let table = table.slots();
    let base = match table.values {
        Values::Above(base) => u32::from(base),
        Values::Table(_) => 0,
    };
    // Where every value is a byte, codes are values.
    let largest = table
        .buckets
        .iter()
        .flat_map(|bucket| [bucket.own, bucket.alias]);
    let largest = largest.map(|share| base + u32::from(share.code)).max();
    let are_bytes = largest.unwrap_or(0) <= u32::from(u8::MAX);
    let shift = if are_bytes { base } else { 0 };
    Table {
        buckets_log2: table.buckets.len().max(1).ilog2(),
        is_single: u32::from(is_single(&table)),
        base: base - shift,
        has_values: u32::from(matches!(table.values, Values::Table(_))),
    }
    .write(out);
    let pack = |share: device::Share| {
        let less_one = u32::from(share.freq.saturating_sub(1));
        less_one << 20 | u32::from(share.rank) << 8 | (u32::from(share.code) + shift)
    };
    for bucket in &table.buckets {
        Bucket {
            own: pack(bucket.own),
            alias: pack(bucket.alias),
            threshold: bucket.threshold.into(),
            unused: 0,
        }
        .write(out);
    }
    if let Values::Table(values) = &table.values {
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
}

/// Whether one symbol has all slots: its frequency does not fit where kernels look for it, and its states never change.
fn is_single(table: &device::Slots) -> bool {
    let slots = |share: &device::Share| share.freq == 1 << wcodec::format::RANS_SCALE_BITS;
    let shares = table
        .buckets
        .iter()
        .map(|bucket| [bucket.own, bucket.alias]);
    shares.flatten().any(|share| slots(&share))
}

/// Appends a code book.
pub(crate) fn write_code_book(book: &device::CodeBook, out: &mut Vec<u8>) {
    CodeBook {
        code_bits: book.code_bits().into(),
        unused: [0; 3],
    }
    .write(out);
    let values = book.values();
    let value = |code: u8| match &values {
        Values::Above(base) => base.wrapping_add(code.into()),
        Values::Table(values) => values.get(usize::from(code)).copied().unwrap_or(0),
    };
    out.extend((0..=u8::MAX).flat_map(|code| value(code).to_le_bytes()));
}

/// Appends the record of a part's tools, whose tables lie at `tables`. `place` is where the record itself will lie.
pub(crate) fn write_tools(tools: &device::Tools, tables: &[u32], place: u32, out: &mut Vec<u8>) {
    let (classes, palette, [fraction_bits, zero_bits, has_full]) = match &tools.classes {
        Classes::Tokens => (CLASSES_TOKENS, &[][..], [0; 3]),
        Classes::Palette(values) => (CLASSES_PALETTE, values.as_slice(), [0; 3]),
        &Classes::Float {
            fraction_bits,
            zero_bits,
            has_full,
        } => (
            CLASSES_FLOAT,
            &[][..],
            [fraction_bits, zero_bits, u8::from(has_full)],
        ),
        _ => (CLASSES_VALUES, &[][..], [0; 3]),
    };
    let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    let contexts_bytes =
        (tools.context_tables.len() * size_of::<u32>()).next_multiple_of(crate::layout::ALIGN);
    let palette_at = (size_of::<Tools>() + contexts_bytes) / crate::layout::ALIGN;
    let palette_bytes = size_of_val(palette).next_multiple_of(crate::layout::ALIGN);
    let factors_at = palette_at + palette_bytes / crate::layout::ALIGN;
    let start = out.len();
    Tools {
        unit_bits: tools.unit_bits,
        order: tools
            .order
            .unwrap_or(u8::try_from(NO_ORDER).unwrap_or(u8::MAX)),
        predictor: tools.predictor,
        transform: tools.transform,
        classes,
        fraction_bits,
        zero_bits,
        has_full,
        row: tools.row,
        num_classes: tools.num_classes,
        contexts: tools.contexts.into(),
        num_contexts: len(tools.context_tables.len()),
        palette: place.saturating_add(len(palette_at)),
        palette_len: len(palette.len()),
        factors: place.saturating_add(len(factors_at)),
        exponent_bits: tools.exponent_bits.into(),
        unused: [0; 2],
    }
    .write(out);
    for &table in &tools.context_tables {
        let place = tables.get(usize::from(table)).copied().unwrap_or(0);
        out.extend(place.to_le_bytes());
    }
    out.resize(start + palette_at * crate::layout::ALIGN, 0);
    out.extend(palette.iter().flat_map(|value| value.to_le_bytes()));
    out.resize(start + factors_at * crate::layout::ALIGN, 0);
    out.extend(tools.factors.iter().flat_map(|factor| factor.to_le_bytes()));
}
