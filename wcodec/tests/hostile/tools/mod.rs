//! Sections 4.4, 5.4 to 5.7 and 6.4: records, classes, bits and contexts of parts with tools.

mod chunks;
mod classes;
mod record;

use super::assert_refused;
use super::support::forge::part::ForgedPart;
use super::support::forge::{Forge, stream};
use super::support::{Random, encode_with, structured};
use wcodec::{Dtype, Effort, Tool};

/// Where in a record a field is.
const ORDER: usize = 1;
const PREDICTOR: usize = 2;
const TRANSFORM: usize = 3;
const ROW: usize = 4;
const CLASSES: usize = 8;
/// The kind of contexts, where classes are tokens or values.
const CONTEXTS: usize = 9;

/// A file of one tensor with tools, to break rules in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Base {
    /// I16, a predictor for each tile, tokens, one table.
    Tiles,
    /// I16, left, contexts above.
    Above,
    /// I16, dct, contexts of bands.
    Bands,
    /// F32, top-slope, contexts of 20 columns.
    Columns,
    /// BF16, recurrences of 20 columns.
    Recurrence,
    /// BF16.
    Palette,
    /// F32, some floats short.
    Floats,
    /// I32.
    Nibbles,
    /// U64 samples, 16 tables of which some have an escape, escapes.
    Escapes,
}

impl Base {
    fn forge(self) -> Forge {
        let (tensor, tool) = match self {
            Self::Tiles => (structured::smooth(Dtype::I16, 67, 100, 1), Tool::Tiles),
            Self::Above => (structured::smooth(Dtype::I16, 67, 100, 1), Tool::Left),
            Self::Bands => (structured::smooth(Dtype::I16, 67, 100, 1), Tool::Dct),
            Self::Columns => (structured::rope(Dtype::F32, 100, 20), Tool::TopSlope),
            Self::Recurrence => (structured::rope(Dtype::BF16, 100, 20), Tool::Recurrence),
            Self::Palette => (structured::palette(400, 100, 100.0, 7), Tool::Palette),
            Self::Floats => (structured::half_upcast(60, 50, 5), Tool::Classes),
            Self::Nibbles => (structured::nibbles(64, 20, 4), Tool::Nibbles),
            Self::Escapes => return escapes(),
        };
        let mut forge = Forge::open(&encode_with(&[tensor], Some(tool), Effort::Default));
        forge.tensors[0].name = b"t".to_vec();
        forge
    }
}

/// A random stream whose first chunk has escapes, and bits.
fn escapes() -> Forge {
    let mut forges = (1..).filter_map(|seed| {
        let mut forge = stream::forge(&mut Random(seed));
        let file = stream::seal(&mut forge);
        super::verify_bytes(&file).is_ok().then_some(forge)
    });
    let found = forges.find(|forge| {
        let part = &forge.tensors[0].parts[0];
        let entry = part.chunks[0].entry;
        entry.mode == 0 && entry.escapes > 4 && entry.planes_crc > 4 && part.record[0] > 4
    });
    found.expect("there are some")
}

type Edit = fn(&mut ForgedPart);
type Case = (&'static str, &'static str, Base, Edit);

fn refuse(cases: &[Case]) {
    for &(label, expected, base, edit) in cases {
        let mut forge = base.forge();
        edit(&mut forge.tensors[0].parts[0]);
        // The digest is that of what the naive decoder makes of it, if anything.
        let file = stream::seal(&mut forge);
        assert_refused(label, &format!("tensor `t`{expected}"), &file);
    }
}

fn set_row(part: &mut ForgedPart, w: u32) {
    part.record[ROW..ROW + 4].copy_from_slice(&w.to_le_bytes());
}

#[test]
fn bases_are_what_they_are_said_to_be() {
    let record = |base: Base| base.forge().tensors[0].parts[0].record.clone();
    assert_eq!(record(Base::Tiles)[..4], [16, 1, 255, 0]);
    assert_eq!(record(Base::Tiles)[CLASSES..], [1, 0]);
    assert_eq!(record(Base::Above)[..4], [16, 1, 1, 0]);
    assert_eq!(record(Base::Above)[CLASSES..][..2], [1, 1]);
    assert_eq!(record(Base::Bands)[..4], [16, 1, 0, 1]);
    assert_eq!(record(Base::Bands)[CLASSES..][..2], [1, 2]);
    assert_eq!(record(Base::Columns)[..4], [32, 3, 5, 0]);
    assert_eq!(record(Base::Columns)[CLASSES..][..2], [1, 3]);
    assert_eq!(record(Base::Columns).len(), 10 + 20);
    assert_eq!(record(Base::Recurrence)[..4], [16, 3, 254, 0]);
    assert_eq!(record(Base::Recurrence)[8], 8);
    assert_eq!(record(Base::Palette)[CLASSES], 2);
    assert_eq!(record(Base::Floats)[CLASSES..][..4], [3, 23, 16, 1]);
    assert_eq!(record(Base::Nibbles)[..], [4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for base in [
        Base::Tiles,
        Base::Above,
        Base::Bands,
        Base::Columns,
        Base::Recurrence,
        Base::Palette,
        Base::Floats,
        Base::Nibbles,
        Base::Escapes,
    ] {
        let file = stream::seal(&mut base.forge());
        super::verify_bytes(&file).unwrap_or_else(|error| panic!("{base:?}: {error}"));
    }
}
