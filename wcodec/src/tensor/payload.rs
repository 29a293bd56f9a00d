//! What of a part is known before it is encoded, and where its encoded bytes go.

use super::entry::PartEntry;
use crate::bitplane;
use crate::format::CHUNK_ALIGN;
use crate::samples::SampleForm;
use crate::search::{Considered, Effort, Tool};
use std::ops::Range;

/// What of a part's encoding its samples do not tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartSpec {
    pub(crate) form: SampleForm,
    pub(crate) chunk_samples: usize,
    /// Samples of a row, 0 if that is not a whole number.
    pub(crate) row: u64,
    pub(crate) first_chunk: u32,
    pub(crate) effort: Effort,
    /// A tool to use alone.
    pub(crate) only: Option<Tool>,
}

impl PartSpec {
    pub(super) fn chunk_bytes(self) -> usize {
        self.chunk_samples * usize::from(self.form.bytes)
    }

    /// Bytes between the places of two chunks in a [`Space`], for a part of `raw_bytes`.
    fn place_bytes(self, raw_bytes: usize) -> usize {
        self.chunk_bytes()
            .min(raw_bytes)
            .next_multiple_of(CHUNK_ALIGN)
    }
}

/// Room for encoded parts, which may be used again for others.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    coded: Vec<u8>,
    planes: Vec<u8>,
}

/// Room for one part in a [`Payload`].
#[derive(Debug)]
pub(crate) struct Space<'a> {
    pub(super) coded: &'a mut [u8],
    pub(super) planes: &'a mut [u8],
    /// Where both begin.
    pub(super) coded_at: usize,
    pub(super) planes_at: usize,
}

/// A part's index entry, but for its place in the file, and where its bytes are.
#[derive(Debug)]
pub(crate) struct EncodedPart {
    pub(crate) entry: PartEntry,
    /// The chunks' bytes in [`Payload::coded`].
    pub(super) coded: Vec<Range<usize>>,
    /// In [`Payload::planes`].
    pub(super) planes: Range<usize>,
    /// The chunk table, or the sample of a constant part.
    pub(super) table: Vec<u8>,
    /// The ways to code it that were considered.
    pub(crate) considered: Vec<Considered>,
}

impl Payload {
    /// Makes room for parts of such raw lengths.
    pub(crate) fn spaces(
        &mut self,
        parts: impl Iterator<Item = (PartSpec, usize)> + Clone,
    ) -> Vec<Space<'_>> {
        let sizes = parts.map(|(spec, raw_bytes)| {
            let chunks = raw_bytes.div_ceil(spec.chunk_bytes());
            let planes_padding = chunks * bitplane::MAX_PLANES * CHUNK_ALIGN;
            (
                chunks * spec.place_bytes(raw_bytes),
                raw_bytes + planes_padding,
            )
        });
        let (coded_bytes, planes_bytes) = sizes
            .clone()
            .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        grow(&mut self.coded, coded_bytes);
        grow(&mut self.planes, planes_bytes);
        let (mut coded, mut planes) = (self.coded.as_mut_slice(), self.planes.as_mut_slice());
        let (mut coded_at, mut planes_at) = (0, 0);
        let space = |(coded_bytes, planes_bytes)| {
            let space = Space {
                coded: coded.split_off_mut(..coded_bytes).unwrap_or_default(),
                planes: planes.split_off_mut(..planes_bytes).unwrap_or_default(),
                coded_at,
                planes_at,
            };
            coded_at += coded_bytes;
            planes_at += planes_bytes;
            space
        };
        sizes.map(space).collect()
    }

    /// What to write of a part, one after the other.
    pub(crate) fn pieces<'a>(&'a self, part: &'a EncodedPart) -> Vec<&'a [u8]> {
        let coded = part.coded.iter().map(|place| &self.coded[place.clone()]);
        let planes = &self.planes[part.planes.clone()];
        coded.chain([planes, &part.table]).collect()
    }
}

/// Makes `buffer` at least `len` long, and a little longer for the next one, without touching memory that is not used
/// yet.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        *buffer = vec![0; len + len / 8];
    }
}
