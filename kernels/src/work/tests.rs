//! How chunks are spread over groups and launches, and that places and scratch memory are bounded.

use super::part::scratch_of;
use super::room::coding_bytes;
use super::*;
use crate::kernel::RANS;
use std::path::Path;
use wcodec::device::Classes;
use wcodec::{ErrorKind, Limits, Reader};

fn chunk(scratch: u64) -> Chunk {
    Chunk {
        scratch,
        ..Chunk::default()
    }
}

#[test]
fn chunks_share_scratch_memory_as_far_as_it_goes() {
    let third = SCRATCH_BYTES / 3;
    let chunks = [third, third, third, third, 2 * SCRATCH_BYTES].map(chunk);
    let (here, bytes) = with_scratch(&chunks, SCRATCH_BYTES);
    let places: Vec<u64> = here.iter().map(|chunk| chunk.scratch).collect();
    assert_eq!((places, bytes), (vec![0, third, 2 * third], 3 * third));
    // One that needs more than that gets it alone.
    let (here, bytes) = with_scratch(&chunks[4..], SCRATCH_BYTES);
    assert_eq!((here.len(), bytes), (1, 2 * SCRATCH_BYTES));
    assert_eq!(with_scratch(&chunks[3..], SCRATCH_BYTES).0.len(), 1);
}

#[test]
fn groups_are_of_one_table_and_full_but_the_last() {
    let mut list = WorkList::new();
    for (table, num) in [(3, 17), (9, 1)] {
        list.chunks.insert((RANS, table), vec![chunk(0); num]);
    }
    list.chunks
        .insert((TOOLS, 0), vec![chunk(SCRATCH_BYTES / 2); 5]);
    let work = list.finish();
    let launched: Vec<_> = work
        .launches
        .iter()
        .map(|launch| (launch.kernel, launch.grid, launch.block))
        .collect();
    assert_eq!(
        launched,
        [
            ("rans_u8", 4, 256),
            ("tools_u8", 1, 128),
            ("tools_u8", 1, 128),
            ("tools_u8", 1, 128)
        ]
    );
    assert_eq!(work.scratch_bytes, SCRATCH_BYTES);
    let groups = work.launches[0].first as usize * ALIGN;
    let words: Vec<u32> = work.bytes[groups..][..4 * ALIGN]
        .as_chunks()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word))
        .collect();
    let counts_and_tables: Vec<_> = words.chunks(4).map(|group| (group[1], group[2])).collect();
    assert_eq!(counts_and_tables, [(8, 3), (8, 3), (1, 3), (1, 9)]);
}

#[test]
fn an_empty_list_launches_nothing() {
    let work = WorkList::new().finish();
    assert!(work.bytes.is_empty() && work.launches.is_empty());
    assert_eq!((work.scratch_bytes, work.num_statuses), (0, 0));
}

/// The plans of every part of a file that uses every tool.
fn plans() -> Vec<Plan> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wcodec/tests/golden/v2_tools.wcodec");
    let file = std::fs::read(path).unwrap();
    let reader = Reader::new(file.clone(), &Limits::default()).unwrap();
    let mut plans = Vec::new();
    for id in reader.ids() {
        for (index, part) in reader.parts(id).into_iter().enumerate() {
            let [start, end] =
                [part.file.start, part.file.end].map(|at| usize::try_from(at).unwrap());
            plans.push(reader.plan_part(id, index, &file[start..end]).unwrap());
        }
    }
    plans
}

fn push(list: &mut WorkList, plan: &Plan) -> Result<Range<usize>, Error> {
    list.push(plan, 0, 0, Element::Same)
}

#[test]
fn no_coding_takes_more_than_is_reckoned_with() {
    let (mut with_factors, mut with_palette) = (0, 0);
    for plan in plans() {
        for misalignment in [0, 1, ALIGN - 1] {
            let mut list = WorkList::new();
            list.bytes.resize(misalignment, 0);
            list.push_coding(plan.coding());
            let bytes = list.bytes.len() - misalignment;
            assert!(bytes <= coding_bytes(plan.coding()), "{:?}", plan.coding());
        }
        if let Coding::Tools(tools, _) = plan.coding() {
            with_factors += usize::from(!tools.factors.is_empty());
            let is_palette = matches!(tools.classes, Classes::Palette(_));
            with_palette += usize::from(is_palette);
        }
    }
    assert!(
        with_factors > 0 && with_palette > 0,
        "{with_factors} recurrences, {with_palette} palettes"
    );
}

#[test]
fn launches_keep_within_the_scratch_memory_that_there_is() {
    let mut num_cut = 0;
    for plan in plans() {
        let of_chunks = plan.chunks().iter().map(|chunk| scratch_of(&plan, chunk));
        let (largest, all) = (of_chunks.clone().max().unwrap(), of_chunks.sum::<u64>());
        let work_within = |limit| {
            let mut list = WorkList::with_scratch_bytes(limit);
            for time in 0..5 {
                let num = plan.chunks().len();
                assert_eq!(
                    push(&mut list, &plan).unwrap(),
                    time * num..(time + 1) * num
                );
            }
            list.finish()
        };
        let (whole, cut) = (work_within(SCRATCH_BYTES), work_within(largest));
        assert_eq!((whole.scratch_bytes, cut.scratch_bytes), (5 * all, largest));
        assert_eq!(whole.num_statuses, cut.num_statuses);
        num_cut += cut.launches.len() - whole.launches.len();
        if let Some(less) = largest.checked_sub(1) {
            let mut list = WorkList::with_scratch_bytes(less);
            let refused = push(&mut list, &plan).unwrap_err();
            let ErrorKind::LimitExceeded { value, limit, .. } = refused.kind() else {
                panic!("{refused}")
            };
            assert_eq!((*value, *limit), (largest, less));
            assert_eq!(list.finish(), WorkList::new().finish(), "it is as it was");
        }
    }
    assert!(num_cut > 0, "no launch had to be cut");
}
