//! Which bytes of the file travel together: runs of whole parts, each read and copied to the device at once.

use super::machine::Lane;
use std::ops::Range;
use wcodec::{Reader, TensorId, TensorInfo};

/// Which lane a tensor is decoded on.
pub(crate) type LaneOf = fn(&TensorInfo) -> Lane;

/// Parts lie this far apart at most within an extent: the padding of FORMAT.md 2.3.
const MAX_GAP_BYTES: u64 = 64;
/// Where a part's payload may begin within what was copied.
const PAYLOAD_ALIGN: u64 = 16;
/// Tensors coded in fewer bytes do not share an extent with larger ones: models ask for norms in another order than
/// for the matrices around them, and reading one again should cost little.
const SMALL_TENSOR_BYTES: u64 = 256 << 10;

/// A run of parts that lie one behind another in the file.
#[derive(Debug)]
pub(super) struct Extent {
    /// Where it lies in the file.
    pub(super) bytes: Range<u64>,
    pub(super) members: Vec<Member>,
    /// The lane of all its tensors; their duplicates' may be another.
    pub(super) lane: Lane,
    is_small: bool,
}

/// What parts have in common that share an extent.
#[derive(Debug, Clone, Copy)]
struct Kind {
    lane: Lane,
    is_small: bool,
}

/// A part within an extent.
#[derive(Debug)]
pub(super) struct Member {
    /// The tensor that holds the part, never a duplicate.
    pub(super) id: TensorId,
    /// The part's number within the tensor.
    pub(super) part: usize,
    /// Where its payload lies within the extent.
    pub(super) payload: Range<usize>,
    /// Where it decodes to, within the tensor's bytes.
    pub(super) raw: Range<u64>,
}

/// The parts of one tensor that lie in one extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) extent: usize,
    pub(super) members: Range<usize>,
}

/// The extents of a file, in file order, and which of them each tensor needs.
#[derive(Debug)]
pub(super) struct Layout {
    extents: Vec<Extent>,
    tensors: Vec<Option<Vec<Group>>>,
}

impl Layout {
    /// Cuts a file into extents of at most `capacity` bytes.
    pub(super) fn new(reader: &Reader, capacity: usize, lane_of: LaneOf) -> Self {
        let mut layout = Self {
            extents: Vec::new(),
            tensors: Vec::new(),
        };
        for id in reader.ids() {
            let groups = match reader.info(id).duplicate_of {
                Some(original) => layout.groups(original).map(<[Group]>::to_vec),
                None => layout.place(reader, id, (capacity, lane_of)),
            };
            layout.tensors.push(groups);
        }
        // An original may come behind its duplicate.
        for id in reader.ids() {
            if let Some(original) = reader.info(id).duplicate_of
                && let Some(groups) = layout.groups(original).map(<[Group]>::to_vec)
                && let Some(own) = layout.tensors.get_mut(id.index())
            {
                *own = Some(groups);
            }
        }
        layout
    }

    /// Adds a tensor's parts; `None` if there are none, or one does not fit an extent.
    fn place(
        &mut self,
        reader: &Reader,
        id: TensorId,
        (capacity, lane_of): (usize, LaneOf),
    ) -> Option<Vec<Group>> {
        let info = reader.info(id);
        let kind = Kind {
            lane: lane_of(info),
            is_small: info.coded_bytes() < SMALL_TENSOR_BYTES,
        };
        let parts = reader.parts(id);
        let fits = |bytes: &Range<u64>| {
            usize::try_from(bytes.end.saturating_sub(bytes.start)).is_ok_and(|len| len <= capacity)
        };
        if parts.is_empty() || !parts.iter().all(|part| fits(&part.file)) {
            return None;
        }
        let mut groups: Vec<Group> = Vec::new();
        for (part, info) in parts.into_iter().enumerate() {
            let at = self.extent_for(&info.file, kind, &fits);
            let extent = self.extents.get_mut(at)?;
            extent.bytes.end = info.file.end;
            let payload = within(&extent.bytes, &info.file)?;
            let member = extent.members.len();
            extent.members.push(Member {
                id,
                part,
                payload,
                raw: info.raw,
            });
            match groups.last_mut().filter(|group| group.extent == at) {
                Some(group) => group.members.end = member + 1,
                None => groups.push(Group {
                    extent: at,
                    members: member..member + 1,
                }),
            }
        }
        Some(groups)
    }

    /// The last extent if a part at `file` may join it, else a new one.
    fn extent_for(
        &mut self,
        file: &Range<u64>,
        kind: Kind,
        fits: &dyn Fn(&Range<u64>) -> bool,
    ) -> usize {
        let joins = self.extents.last().is_some_and(|last| {
            let gap = file.start.checked_sub(last.bytes.end);
            (last.lane, last.is_small) == (kind.lane, kind.is_small)
                && gap.is_some_and(|gap| gap <= MAX_GAP_BYTES)
                && file
                    .start
                    .wrapping_sub(last.bytes.start)
                    .is_multiple_of(PAYLOAD_ALIGN)
                && fits(&(last.bytes.start..file.end))
        });
        if !joins {
            self.extents.push(Extent {
                bytes: file.clone(),
                members: Vec::new(),
                lane: kind.lane,
                is_small: kind.is_small,
            });
        }
        self.extents.len() - 1
    }

    pub(super) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// What a tensor needs, in the order of its parts. `None` if it has to be decoded on the host: it has no
    /// elements, or a part that does not fit.
    pub(super) fn groups(&self, id: TensorId) -> Option<&[Group]> {
        self.tensors.get(id.index())?.as_deref()
    }
}

/// `inner` counted from the start of `outer`.
fn within(outer: &Range<u64>, inner: &Range<u64>) -> Option<Range<usize>> {
    let start = usize::try_from(inner.start.checked_sub(outer.start)?).ok()?;
    let end = usize::try_from(inner.end.checked_sub(outer.start)?).ok()?;
    Some(start..end)
}
