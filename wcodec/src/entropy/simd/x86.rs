//! What x86-64 has in every instruction set.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

const LINE_BYTES: usize = 64;

/// Fetches the cache lines of `out`.
pub(super) fn prefetch<T>(out: &mut [T]) {
    let start = out.as_ptr().cast::<i8>();
    for at in (0..size_of_val(out)).step_by(LINE_BYTES) {
        // SAFETY: `at` lies within `out`; a prefetch neither reads nor writes, and never faults.
        #[expect(unsafe_code, reason = "a hint to the cache")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(start.add(at));
        }
    }
}
