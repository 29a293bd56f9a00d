//! The bytes are the frequency tables of a part.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzzing::rans_tables(bytes);
});
