//! Parts with tools in little scratch memory, on the real kernels.

use super::fake::Fake;
use super::support::{Behaviour, SMALL, Source, assert_clean, encode_bytes, load, open};
use crate::device::Budget;
use safetensors::Dtype;
use std::sync::atomic::Ordering::SeqCst;
use wcodec::{ErrorKind, Reader, TensorId};
use wcodec_kernels::{Element, WorkList};

/// Scratch memory of all chunks of a tensor of one part, and of the largest.
fn scratch_of(reader: &Reader, id: TensorId) -> (u64, u64) {
    let [part] = &reader.parts(id)[..] else {
        panic!("several parts")
    };
    let mut payload = vec![0; usize::try_from(part.file.end - part.file.start).unwrap()];
    reader.read_at(part.file.start, &mut payload).unwrap();
    let plan = reader.plan_part(id, 0, &payload).unwrap();
    let mut list = WorkList::new();
    list.push(&plan, 0, 0, Element::Same).unwrap();
    let refused = WorkList::with_scratch_bytes(0).push(&plan, 0, 0, Element::Same);
    match refused.unwrap_err().kind() {
        ErrorKind::LimitExceeded { value, .. } => (list.finish().scratch_bytes, *value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn launches_are_cut_to_the_lane_s_scratch_and_only_what_no_launch_has_room_for_is_left() {
    let steps = (0..150_000i64).flat_map(|at| (at * 3 + at % 7).to_le_bytes());
    let bytes = encode_bytes(&[("steps", Dtype::I64, steps.collect())]);
    let reader = Source::new(bytes).reader();
    let id = reader.find("steps").unwrap();
    let (all, largest) = scratch_of(&reader, id);
    assert!(
        largest > 0 && all >= 2 * largest,
        "{all} bytes, {largest} for a chunk"
    );
    let largest = usize::try_from(largest).unwrap();
    for (scratch_bytes, has_room) in [(largest, true), (largest - 1, false)] {
        let behaviour = Behaviour {
            emulates: true,
            ..Behaviour::default()
        };
        let budget = Budget {
            slot_bytes: 1 << 20,
            block_bytes: 64 << 10,
            scratch_bytes,
            ..SMALL
        };
        let (fake, ledger) = Fake::new(&reader, behaviour);
        let session = open(&fake, &reader, &budget, 2).unwrap();
        let loaded = load(&session, &fake, &reader, id, false).unwrap();
        session.close().unwrap();
        assert_eq!(loaded.memory.is_some(), has_room);
        loaded.assert_whole(&reader);
        assert!(ledger.peak_bytes.load(SeqCst) <= budget.device_bytes());
        drop((session, fake));
        assert_clean(&ledger);
    }
}
