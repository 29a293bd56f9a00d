//! When heads are read: behind the layers, unless somebody waits for them.

use super::fake::Fake;
use super::support::{
    Behaviour, Loaded, NUM_HEADS, SMALL, Source, all, assert_clean, file, lane_of, load, open,
};
use crate::device::layout::Layout;
use crate::device::{Budget, Lane, Session};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use wcodec::Reader;

const RING: Budget = Budget {
    num_slots: 4,
    ..SMALL
};

/// A file whose reads are counted, apart from those of the device's kernels.
struct Counted {
    source: Source,
    reader: Arc<Reader>,
    /// The same, not counted.
    reference: Arc<Reader>,
    layout: Layout,
    fake: Arc<Fake>,
    ledger: Arc<super::fake::Ledger>,
}

impl Counted {
    fn new() -> Self {
        let bytes = file(30);
        let source = Source::new(bytes.clone());
        let reader = source.reader();
        let layout = Layout::new(&reader, RING.slot_bytes, lane_of);
        let reference = Source::new(bytes).reader();
        let (fake, ledger) = Fake::new(&reference, Behaviour::default());
        let layers = layout.extents().iter();
        let num_layers = layers.filter(|extent| extent.lane == Lane::Layers).count();
        assert!(num_layers > 2 * RING.num_slots, "{num_layers} extents");
        assert_eq!(layout.extents().len() - num_layers, NUM_HEADS);
        Self {
            source,
            reader,
            reference,
            layout,
            fake,
            ledger,
        }
    }

    fn open(&self) -> Session<Fake> {
        open(&self.fake, &self.reader, &RING, 2).unwrap()
    }

    /// The lane of each extent that was read, and how often it had been before.
    fn reads(&self) -> Vec<(Lane, usize)> {
        let extent_at = |at: &u64| {
            let mut extents = self.layout.extents().iter();
            extents.position(|extent| extent.bytes.start == *at)
        };
        let reads = self.source.reads.lock().unwrap();
        let reads: Vec<usize> = reads.iter().filter_map(extent_at).collect();
        let before = |at: usize| {
            reads[..at]
                .iter()
                .filter(|&&read| read == reads[at])
                .count()
        };
        let lane = |at: usize| self.layout.extents()[reads[at]].lane;
        (0..reads.len()).map(|at| (lane(at), before(at))).collect()
    }

    /// Waits until so many extents are read, for as long as a busy machine may take, and then until nothing more is.
    fn settle(&self, fewest: usize) -> Vec<(Lane, usize)> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.reads().len() < fewest && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (mut since, mut num) = (Instant::now(), 0);
        while since.elapsed() < Duration::from_millis(100) {
            std::thread::sleep(Duration::from_millis(5));
            let now = self.reads().len();
            if now != num {
                (since, num) = (Instant::now(), now);
            }
        }
        self.reads()
    }

    fn load(&self, session: &Session<Fake>, name: &str) -> Loaded {
        let id = self.reader.find(name).unwrap();
        load(session, &self.fake, &self.reader, id, false).unwrap()
    }
}

fn of_heads(reads: &[(Lane, usize)]) -> Vec<(Lane, usize)> {
    let heads = reads.iter().filter(|(lane, _)| *lane == Lane::Last);
    heads.copied().collect()
}

/// Reads of what had been read before.
fn again(reads: &[(Lane, usize)]) -> usize {
    reads.iter().filter(|(_, before)| *before > 0).count()
}

#[test]
fn a_head_asked_for_early_comes_behind_the_layers_that_there_is_room_for() {
    let counted = Counted::new();
    let session = counted.open();
    let before = counted.settle(RING.num_slots);
    assert_eq!(
        before,
        [(Lane::Layers, 0); RING.num_slots],
        "the ring is full of layers"
    );
    // As llama asks: embedding, head, then the layers.
    let mut loaded = vec![counted.load(&session, "embed")];
    assert_eq!(
        of_heads(&counted.settle(RING.num_slots)),
        [],
        "nobody asked for a head"
    );
    loaded.push(counted.load(&session, "lm_head.1"));
    assert_eq!(of_heads(&counted.reads()), [(Lane::Last, 0)]);
    for id in all(&counted.reader) {
        loaded.push(load(&session, &counted.fake, &counted.reader, id, false).unwrap());
    }
    session.close().unwrap();
    loaded
        .iter()
        .for_each(|loaded| loaded.assert_whole(&counted.reference));
    let reads = counted.reads();
    let first_of_layers = reads
        .iter()
        .filter(|read| **read == (Lane::Layers, 0))
        .count();
    let layers = counted.layout.extents().iter();
    let num_layers = layers.filter(|extent| extent.lane == Lane::Layers).count();
    assert_eq!(first_of_layers, num_layers);
    assert!(counted.ledger.peak_bytes.load(SeqCst) <= RING.device_bytes());
    drop(session);
    let Counted { fake, ledger, .. } = counted;
    drop(fake);
    assert_clean(&ledger);
}

#[test]
fn heads_alone_are_read_once_each_and_the_layers_in_the_ring_stay() {
    let counted = Counted::new();
    let session = counted.open();
    let before = counted.settle(RING.num_slots);
    assert_eq!(of_heads(&before), []);
    for head in 1..=NUM_HEADS {
        counted
            .load(&session, &format!("lm_head.{head}"))
            .assert_whole_after(&session, &counted.reference);
        assert_eq!(of_heads(&counted.reads()).len(), head);
    }
    let reads = counted.settle(RING.num_slots + NUM_HEADS);
    assert_eq!(of_heads(&reads), [(Lane::Last, 0); NUM_HEADS]);
    // Each head took a slot from the layer that was farthest away, which is read again.
    assert!(again(&reads) <= NUM_HEADS, "{reads:?}");
    session.close().unwrap();
    drop(session);
    let Counted { fake, ledger, .. } = counted;
    drop(fake);
    assert_clean(&ledger);
}

#[test]
fn closing_waits_for_heads_on_their_way_beside_layers() {
    let counted = Counted::new();
    let session = counted.open();
    let heads = ["lm_head.2", "lm_head", "lm_head.1"];
    std::thread::scope(|scope| {
        let heads = scope.spawn(|| heads.map(|name| counted.load(&session, name)));
        let layers = scope.spawn(|| {
            let names = (0..30).map(|layer| format!("layers.{layer}.q"));
            names
                .map(|name| counted.load(&session, &name))
                .collect::<Vec<_>>()
        });
        for _ in 0..3 {
            session.close().unwrap();
        }
        let (heads, layers) = (heads.join().unwrap(), layers.join().unwrap());
        session.close().unwrap();
        let mut all = heads.iter().chain(&layers);
        all.by_ref()
            .for_each(|loaded| loaded.assert_whole(&counted.reference));
    });
    drop(session);
    let Counted { fake, ledger, .. } = counted;
    drop(fake);
    assert_clean(&ledger);
}
