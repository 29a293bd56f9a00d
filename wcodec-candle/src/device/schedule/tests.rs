//! What is read when, and that nobody waits for ever.

mod orders;

use super::*;

fn ring(num_extents: usize, num_slots: usize) -> Schedule {
    Schedule::with_extents((0..num_extents).map(|_| (1, Lane::Layers)), num_slots)
}

/// Fills all that may be read ahead; the extents in their order.
fn read_ahead(ring: &mut Schedule) -> Vec<usize> {
    let mut read = Vec::new();
    while let Some(fill) = ring.next_read() {
        ring.filled(fill, true);
        read.push(fill.extent);
        assert!(read.len() < 100, "reads the same for ever");
    }
    read
}

/// Asks for an extent as a `get` does; whether it had to be read then.
fn get(ring: &mut Schedule, extent: usize) -> bool {
    ring.ask(extent, 0..1);
    let mut was_read = false;
    loop {
        match ring.claim(extent) {
            Claim::Ready(slot) => {
                ring.release(slot);
                return was_read;
            }
            Claim::Fill(fill) => {
                ring.filled(fill, true);
                was_read = true;
            }
            Claim::Wait => panic!("nobody else is there to wait for"),
        }
    }
}

#[test]
fn what_is_asked_for_in_file_order_is_read_ahead_once() {
    let mut ring = ring(10, 4);
    assert_eq!(read_ahead(&mut ring), [0, 1, 2, 3]);
    let mut read = 4;
    for extent in 0..10 {
        assert!(!get(&mut ring, extent), "{extent} lies ready");
        read += read_ahead(&mut ring).len();
    }
    assert_eq!(read, 10);
}

#[test]
fn the_head_fetched_second_does_not_push_out_the_layers() {
    let mut ring = ring(10, 4);
    read_ahead(&mut ring);
    assert!(!get(&mut ring, 0));
    assert!(get(&mut ring, 9), "far away: read when asked for");
    // Behind the head comes, around the end, the first that nobody asked for.
    let mut late = 0;
    for extent in 1..9 {
        read_ahead(&mut ring);
        late += usize::from(get(&mut ring, extent));
    }
    assert_eq!(late, 0);
}

#[test]
fn a_slot_in_use_is_never_filled() {
    let mut ring = ring(4, 2);
    read_ahead(&mut ring);
    ring.ask(0, 0..1);
    ring.ask(1, 0..1);
    let (Claim::Ready(a), Claim::Ready(b)) = (ring.claim(0), ring.claim(1)) else {
        panic!("both lie ready")
    };
    assert_eq!(ring.next_read(), None);
    assert_eq!(ring.claim(2), Claim::Wait);
    ring.release(a);
    assert_eq!(ring.claim(2), Claim::Fill(Fill { slot: a, extent: 2 }));
    assert_eq!(ring.claim(2), Claim::Wait, "who fills it has not reported");
    ring.filled(Fill { slot: a, extent: 2 }, true);
    assert_eq!(ring.claim(2), Claim::Ready(a));
    ring.release(b);
}

#[test]
fn what_somebody_waits_for_stays_until_it_is_claimed() {
    let mut ring = ring(10, 2);
    let (first, second) = (ring.next_read().unwrap(), ring.next_read().unwrap());
    ring.ask(0, 0..1);
    assert_eq!(ring.claim(0), Claim::Wait);
    ring.filled(first, true);
    assert_eq!(ring.next_read(), None);
    assert_eq!(ring.claim(0), Claim::Ready(0));
    ring.filled(second, true);
    ring.release(0);
    assert_eq!(ring.next_read(), Some(Fill { slot: 0, extent: 2 }));
}

#[test]
fn a_failed_read_is_left_to_who_needs_it() {
    let mut ring = ring(2, 2);
    let fill = ring.next_read().unwrap();
    ring.filled(fill, false);
    assert_eq!(read_ahead(&mut ring), [1], "0 is not tried again");
    assert!(matches!(ring.claim(0), Claim::Fill(Fill { extent: 0, .. })));
}

#[test]
fn what_nobody_asks_for_makes_room() {
    let mut ring = ring(12, 4);
    for extent in [0, 4, 8] {
        read_ahead(&mut ring);
        get(&mut ring, extent);
    }
    // 5, 6 and 7 lie behind and were never asked for; the two last of them still may be.
    assert!(read_ahead(&mut ring).contains(&9));
    assert!(!get(&mut ring, 9));
    assert!(!get(&mut ring, 7));
}

#[test]
fn beginning_anew_keeps_what_lies_in_the_ring() {
    let mut ring = ring(4, 4);
    read_ahead(&mut ring);
    (0..4).for_each(|extent| _ = get(&mut ring, extent));
    ring.forget_asked();
    assert_eq!(ring.next_read(), None);
    assert!((0..4).all(|extent| !get(&mut ring, extent)));
}

/// Of extents of one part, which are used last where `is_last` says so.
fn with_heads(is_last: &[bool], num_slots: usize) -> Schedule {
    let lane = |&is_last: &bool| match is_last {
        true => (1, Lane::Last),
        false => (1, Lane::Layers),
    };
    Schedule::with_extents(is_last.iter().map(lane), num_slots)
}

fn group(extent: usize) -> Group {
    Group {
        extent,
        members: 0..1,
    }
}

/// Asks for a tensor of several extents; those that had to be read only when it came to them.
fn get_all(ring: &mut Schedule, extents: &[usize]) -> Vec<usize> {
    let groups: Vec<Group> = extents.iter().map(|&extent| group(extent)).collect();
    ring.want(&groups);
    let mut late = Vec::new();
    for &extent in extents {
        if get(ring, extent) {
            late.push(extent);
        }
        ring.unwant(extent);
        read_ahead(ring);
    }
    late
}

#[test]
fn a_head_is_read_behind_everything_else_wherever_it_lies() {
    let is_last = [false, true, false, false, true, false];
    assert_eq!(read_ahead(&mut with_heads(&is_last, 6)), [0, 2, 3, 5, 1, 4]);
    let mut ring = with_heads(&is_last, 3);
    assert_eq!(read_ahead(&mut ring), [0, 2, 3]);
    assert!(!get(&mut ring, 0));
    assert_eq!(read_ahead(&mut ring), [5]);
    assert!(!get(&mut ring, 2));
    assert_eq!(read_ahead(&mut ring), [1], "no layer is left");
    assert!(![3, 5, 1].into_iter().any(|extent| get(&mut ring, extent)));
}

#[test]
fn a_head_asked_for_early_takes_half_of_the_ring() {
    let mut is_last = [false; 20];
    is_last[12..].fill(true);
    let mut ring = with_heads(&is_last, 4);
    assert_eq!(read_ahead(&mut ring), [0, 1, 2, 3]);
    assert!(!get(&mut ring, 0));
    let heads: Vec<Group> = (12..20).map(group).collect();
    ring.want(&heads);
    // The slot that is free, and that of the layer farthest away.
    assert_eq!(read_ahead(&mut ring), [12, 13]);
    let mut read = Vec::new();
    for head in 12..20 {
        assert!(!get(&mut ring, head), "{head} was read ahead");
        ring.unwant(head);
        read.extend(read_ahead(&mut ring));
    }
    // When the last of the head is read, what it took is for the layers again.
    assert_eq!(read, [14, 15, 16, 17, 18, 19, 3, 4]);
    assert!(
        !(1..5).any(|layer| get(&mut ring, layer)),
        "the layers stayed"
    );
}

#[test]
fn a_head_that_is_asked_for_twice_is_read_twice() {
    let mut ring = with_heads(&[false, true, true, true], 2);
    assert_eq!(read_ahead(&mut ring), [0, 1], "nothing else is left");
    for _ in 0..2 {
        get_all(&mut ring, &[1, 2, 3]);
    }
    assert!(
        ring.extents
            .iter()
            .all(|extent| extent.wanted == 0 && extent.waiting == 0)
    );
}

#[test]
fn who_waits_for_a_layer_goes_first_but_never_takes_the_only_slot() {
    let mut ring = with_heads(&[false, false, true, true], 2);
    ring.want(&[group(2), group(3)]);
    ring.ask(2, 0..1);
    let Claim::Fill(fill) = ring.claim(2) else {
        panic!("the ring is empty")
    };
    ring.filled(fill, true);
    let Claim::Ready(of_head) = ring.claim(2) else {
        panic!("it was read")
    };
    ring.ask(0, 0..1);
    let Claim::Fill(fill) = ring.claim(0) else {
        panic!("there is a second slot")
    };
    ring.filled(fill, true);
    let Claim::Ready(of_layer) = ring.claim(0) else {
        panic!("it was read")
    };
    // Both slots are in use: a layer waits, and the head's next extent, by somebody else, too.
    ring.ask(1, 0..1);
    assert_eq!(ring.claim(1), Claim::Wait);
    ring.ask(3, 0..1);
    assert_eq!(ring.claim(3), Claim::Wait);
    ring.release(of_layer);
    assert_eq!(ring.next_read(), None, "nothing is read ahead of who waits");
    assert_eq!(ring.claim(3), Claim::Wait, "the layer goes first");
    let Claim::Fill(fill) = ring.claim(1) else {
        panic!("a slot was left")
    };
    ring.filled(fill, true);
    ring.release(of_head);
    ring.unwant(2);
    assert!(
        matches!(ring.claim(3), Claim::Fill(_)),
        "its slot is its own"
    );
}
