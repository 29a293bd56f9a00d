//! Whatever the bytes, nothing panics.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzzing::decode_any(bytes);
});
