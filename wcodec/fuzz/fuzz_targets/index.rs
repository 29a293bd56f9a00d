//! The bytes are the index of a file with payloads.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzzing::index(bytes);
});
