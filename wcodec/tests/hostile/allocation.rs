//! False counts in small files allocate next to nothing, because nothing is sized by a count alone.
#![allow(unsafe_code, reason = "a global allocator that counts")]

use super::base;
use super::support::forge::{Forge, seal};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use wcodec::{Limits, Reader};

/// Counts the bytes that this thread holds, and the most that it held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(by: isize) {
    // A thread that ends allocates no more.
    let _ = HELD.try_with(|held| {
        held.set(held.get().saturating_add(by));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it is; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes over those held before.
pub(super) struct Taken {
    /// The most at a time.
    pub(super) peak: usize,
    /// What the result holds on to.
    pub(super) held: usize,
}

/// What this thread allocates while `work` runs.
pub(super) fn measure<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    // `work` may free what was held before.
    let over = |bytes: isize| usize::try_from(bytes - before).unwrap_or(0);
    let (peak, held) = (over(PEAK.get()), over(HELD.get()));
    (result, Taken { peak, held })
}

/// The most bytes held at a time while `work` runs, over those held before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let (result, taken) = measure(work);
    (result, taken.peak)
}

type Edit = (&'static str, fn(&mut Forge));

fn assert_cheap(label: &str, file: Vec<u8>) {
    let (result, peak) = peak_of(|| Reader::new(file, &Limits::default()).map(|_| ()));
    assert!(result.is_err(), "{label}: accepted");
    assert!(peak < 1 << 20, "{label}: {peak} bytes for nothing");
}

#[test]
fn counting_counts() {
    let (len, peak) = peak_of(|| std::hint::black_box(vec![1u8; 3 << 20]).len());
    assert_eq!(len, peak);
}

#[test]
fn false_counts_allocate_nothing() {
    let counts = |counts: [u32; 3]| {
        counts
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .chain([0; 4])
            .collect::<Vec<u8>>()
    };
    for which in 0..3 {
        let mut all = [0; 3];
        all[which] = u32::MAX;
        assert_cheap("an index of counts alone", seal(&[], &counts(all)));
    }
    let edits: [Edit; 6] = [
        ("chunks", |f| f.part("w").fields.num_chunks = u32::MAX),
        ("chunks of a huge constant", |f| {
            (f.tensor("ones").shape, f.tensor("ones").chunk_samples) = (vec![1 << 33], 2);
            f.part("ones").fields.num_chunks = u32::MAX;
        }),
        ("chunk table", |f| f.part("w").fields.table_len = u32::MAX),
        ("payload", |f| f.part("noise").fields.len = u64::MAX),
        ("attachment", |f| f.attachments[0].len = 1 << 27),
        ("safetensors header", |f| f.sources[0].len = 1 << 27),
    ];
    for (label, edit) in edits {
        let mut forge = Forge::open(base());
        forge.lay_out();
        edit(&mut forge);
        assert_cheap(label, forge.seal());
    }
}

/// A file of a few hundred bytes may speak of 2^60 elements, but not past the limit.
#[test]
fn huge_constants_meet_the_limit() {
    let mut forge = Forge::open(base());
    forge.lay_out();
    forge.tensor("ones").shape = vec![1 << 30, 1 << 28];
    let file = forge.seal();
    let (result, peak) = peak_of(|| Reader::new(file, &Limits::default()).map(|_| ()));
    let error = result.expect_err("2^60 bytes");
    assert!(
        error.is_limit() && error.to_string().contains("`ones`"),
        "{error}"
    );
    assert!(peak < 1 << 20, "{peak} bytes");
}

#[test]
fn limits_hold_before_anything_is_read() {
    let limits: [(&str, Limits); 3] = [
        (
            "length of the index",
            Limits {
                max_index_bytes: 100,
                ..Limits::default()
            },
        ),
        (
            "length of a safetensors header",
            Limits {
                max_attachment_bytes: 20,
                ..Limits::default()
            },
        ),
        (
            "decoded length of a tensor",
            Limits {
                max_tensor_bytes: 1000,
                ..Limits::default()
            },
        ),
    ];
    for (what, limits) in limits {
        let error = Reader::new(base(), &limits).expect_err(what);
        assert!(
            error.is_limit() && error.to_string().contains(what),
            "{error}"
        );
    }
}
