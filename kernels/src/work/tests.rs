use super::*;
use crate::kernel::RANS;

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
    let (here, bytes) = with_scratch(&chunks);
    let places: Vec<u64> = here.iter().map(|chunk| chunk.scratch).collect();
    assert_eq!((places, bytes), (vec![0, third, 2 * third], 3 * third));
    // One that needs more than that gets it alone.
    let (here, bytes) = with_scratch(&chunks[4..]);
    assert_eq!((here.len(), bytes), (1, 2 * SCRATCH_BYTES));
    assert_eq!(with_scratch(&chunks[3..]).0.len(), 1);
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
