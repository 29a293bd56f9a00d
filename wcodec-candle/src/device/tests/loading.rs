//! What comes out, in whatever order it is asked for.

use super::fake::Fake;
use super::support::{
    Behaviour, Loaded, NUM_HEADS, SLOW, SMALL, Source, all, assert_clean, encode, file, lane_of,
    load, open,
};
use crate::device::layout::Layout;
use crate::device::{Budget, Lane};
use safetensors::Dtype;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use wcodec::TensorId;

#[test]
fn extents_hold_every_part_once_aligned_and_within_capacity() {
    let reader = Source::new(file(20)).reader();
    for capacity in [30_000, 64 << 10, 1 << 20] {
        let layout = Layout::new(&reader, capacity, lane_of);
        let mut num_parts = 0;
        for id in reader.ids() {
            let parts = reader.parts(id);
            let largest = parts
                .iter()
                .map(|part| part.file.end - part.file.start)
                .max();
            let fits = largest.is_some_and(|largest| largest <= capacity as u64);
            assert_eq!(
                layout.groups(id).is_some(),
                fits,
                "{}",
                reader.info(id).name
            );
            let groups = layout.groups(id).unwrap_or_default();
            let members = groups.iter().flat_map(|group| {
                let extent = &layout.extents()[group.extent];
                extent.members[group.members.clone()]
                    .iter()
                    .map(move |member| (extent, member))
            });
            for ((extent, member), part) in members.zip(&parts) {
                let start = extent.bytes.start + member.payload.start as u64;
                assert_eq!(start..start + member.payload.len() as u64, part.file);
                assert_eq!(member.raw, part.raw);
                assert_eq!(member.payload.start % 16, 0);
            }
            let found: usize = groups.iter().map(|group| group.members.len()).sum();
            assert_eq!(found, if fits { parts.len() } else { 0 });
            num_parts += if reader.info(id).duplicate_of.is_none() {
                found
            } else {
                0
            };
        }
        let held: usize = layout
            .extents()
            .iter()
            .map(|extent| extent.members.len())
            .sum();
        assert_eq!(held, num_parts);
        let lens = layout
            .extents()
            .iter()
            .map(|extent| extent.bytes.end - extent.bytes.start);
        assert!(lens.max().unwrap() <= capacity as u64);
    }
}

#[test]
fn what_is_small_travels_together_but_heads_by_themselves() {
    let reader = Source::new(file(20)).reader();
    let layout = Layout::new(&reader, 1 << 20, lane_of);
    let [layers, heads] = Lane::ALL.map(|lane| {
        let extents = layout.extents().iter();
        let extents = extents.filter(|extent| extent.lane == lane);
        extents
            .map(|extent| extent.members.len())
            .collect::<Vec<_>>()
    });
    assert_eq!(heads.iter().sum::<usize>(), NUM_HEADS);
    assert!(layers.len() <= 1 + NUM_HEADS, "{layers:?}");
}

#[test]
fn every_tensor_is_bit_equal_in_file_order_and_backwards_and_twice() {
    let reader = Source::new(file(6)).reader();
    let forwards = all(&reader);
    let backwards: Vec<_> = forwards.iter().rev().copied().collect();
    let twice: Vec<_> = forwards.iter().flat_map(|&id| [id, id]).collect();
    for (order, widen) in [(forwards, false), (backwards, true), (twice, true)] {
        let (fake, ledger) = Fake::new(&reader, SLOW);
        let session = open(&fake, &reader, &SMALL, 2).unwrap();
        let load = |&id: &TensorId| load(&session, &fake, &reader, id, widen).unwrap();
        let loaded: Vec<Loaded> = order.iter().map(load).collect();
        session.close().unwrap();
        for loaded in &loaded {
            loaded.assert_whole(&reader);
            let is_empty = reader.info(loaded.id).raw_bytes == 0;
            assert_eq!(
                loaded.memory.is_none(),
                is_empty,
                "only what is empty is left to the host"
            );
        }
        assert!(ledger.peak_bytes.load(SeqCst) <= SMALL.device_bytes());
        drop((session, fake));
        assert_clean(&ledger);
    }
}

#[test]
fn the_real_kernels_decode_the_same_on_the_emulator() {
    let reader = Source::new(file(3)).reader();
    for widen in [false, true] {
        let behaviour = Behaviour {
            emulates: true,
            ..Behaviour::default()
        };
        let budget = Budget {
            block_bytes: 64 << 10,
            scratch_bytes: 1 << 20,
            ..SMALL
        };
        let (fake, ledger) = Fake::new(&reader, behaviour);
        let session = open(&fake, &reader, &budget, 2).unwrap();
        let load = |id| load(&session, &fake, &reader, id, widen).unwrap();
        let loaded: Vec<Loaded> = all(&reader).into_iter().map(load).collect();
        session.close().unwrap();
        let decoded = loaded
            .iter()
            .filter(|loaded| loaded.memory.is_some())
            .count();
        assert_eq!(decoded, loaded.len() - 1, "all but the empty one");
        loaded
            .iter()
            .for_each(|loaded| loaded.assert_whole(&reader));
        drop((session, fake));
        assert_clean(&ledger);
    }
}

#[test]
fn a_get_returns_before_its_decoding_is_over() {
    let reader = Source::new(file(1)).reader();
    let delay = Duration::from_millis(100);
    let (fake, ledger) = Fake::new(&reader, Behaviour { delay, ..SLOW });
    let session = open(&fake, &reader, &SMALL, 1).unwrap();
    let id = reader.find("layers.0.q").unwrap();
    let loaded = load(&session, &fake, &reader, id, false).unwrap();
    // Wait, upload, clear, launch and download lie before it on the stream.
    let memory = loaded.memory.as_ref().unwrap();
    let is_untouched = memory.lock().unwrap().iter().all(|&byte| byte == 0xa5);
    assert!(is_untouched, "it waited for the device");
    session.settle(Lane::Layers).unwrap();
    loaded.assert_whole(&reader);
    drop((session, fake));
    assert_clean(&ledger);
}

#[test]
fn several_threads_share_a_ring_of_two_slots() {
    let reader = Source::new(file(5)).reader();
    let (fake, ledger) = Fake::new(&reader, SLOW);
    let session = open(&fake, &reader, &SMALL, 2).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (session, fake, reader) = (&session, &fake, &reader);
            scope.spawn(move || {
                let mut ids = all(reader);
                let len = ids.len();
                ids.rotate_left(thread * 7 % len);
                let load = |id| load(session, fake, reader, id, thread % 2 == 0).unwrap();
                let loaded: Vec<Loaded> = ids.into_iter().map(load).collect();
                session.settle(Lane::Layers).unwrap();
                session.settle(Lane::Last).unwrap();
                loaded.iter().for_each(|loaded| loaded.assert_whole(reader));
            });
        }
    });
    session.close().unwrap();
    drop((session, fake));
    assert_clean(&ledger);
}

#[test]
fn a_tensor_of_many_parts_goes_through_a_ring_smaller_than_itself() {
    let big = ("big".to_string(), Dtype::BF16, 14_000_001);
    let reader = Source::new(encode(&[big, ("small".to_string(), Dtype::F32, 10)])).reader();
    let id = reader.find("big").unwrap();
    let parts = reader.parts(id);
    assert!(parts.len() >= 4);
    let largest = parts
        .iter()
        .map(|part| part.file.end - part.file.start)
        .max()
        .unwrap();
    let budget = Budget {
        slot_bytes: usize::try_from(largest).unwrap(),
        block_bytes: 4 << 10,
        ..SMALL
    };
    let (fake, ledger) = Fake::new(&reader, SLOW);
    let session = open(&fake, &reader, &budget, 2).unwrap();
    let loaded = load(&session, &fake, &reader, id, true).unwrap();
    session.close().unwrap();
    assert!(loaded.memory.is_some());
    loaded.assert_whole(&reader);
    drop((session, fake));
    assert_clean(&ledger);

    // One byte less, and its largest part fits no slot.
    let budget = Budget {
        slot_bytes: budget.slot_bytes - 1,
        ..budget
    };
    let (fake, _) = Fake::new(&reader, SLOW);
    let session = open(&fake, &reader, &budget, 2).unwrap();
    assert!(
        load(&session, &fake, &reader, id, true)
            .unwrap()
            .memory
            .is_none()
    );
}

#[test]
fn what_the_kernels_refuse_is_left_to_the_host() {
    let reader = Source::new(file(4)).reader();
    for every in 1..6 {
        let refuses = Some(every);
        let (fake, ledger) = Fake::new(&reader, Behaviour { refuses, ..SLOW });
        let session = open(&fake, &reader, &SMALL, 2).unwrap();
        let load = |id| load(&session, &fake, &reader, id, false).unwrap();
        let loaded: Vec<Loaded> = all(&reader).into_iter().map(load).collect();
        session.close().unwrap();
        let left = loaded
            .iter()
            .filter(|loaded| loaded.memory.is_none())
            .count();
        assert!(
            left > 1,
            "every {every}th part is refused, and {left} tensors are left to the host"
        );
        loaded
            .iter()
            .for_each(|loaded| loaded.assert_whole(&reader));
        drop((session, fake));
        assert_clean(&ledger);
    }
}

#[test]
fn work_that_fits_no_block_is_left_to_the_host() {
    let reader = Source::new(file(1)).reader();
    let budget = Budget {
        block_bytes: 200,
        ..SMALL
    };
    let (fake, ledger) = Fake::new(&reader, SLOW);
    let session = open(&fake, &reader, &budget, 1).unwrap();
    let id = reader.find("embed").unwrap();
    assert!(
        load(&session, &fake, &reader, id, false)
            .unwrap()
            .memory
            .is_none()
    );
    session.close().unwrap();
    drop((session, fake));
    assert_clean(&ledger);
}

#[test]
fn beginning_anew_reads_ahead_again() {
    let reader = Source::new(file(3)).reader();
    let (fake, ledger) = Fake::new(&reader, Behaviour::default());
    let session = open(&fake, &reader, &SMALL, 2).unwrap();
    for _ in 0..3 {
        session.forget_asked();
        for id in all(&reader) {
            load(&session, &fake, &reader, id, false).unwrap();
        }
    }
    session.close().unwrap();
    drop((session, fake));
    assert_clean(&ledger);
}
