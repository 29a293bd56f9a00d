//! The library and the decoder written from FORMAT.md agree on any file whose checksums fit.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    fuzzing::repair(&mut file);
    fuzzing::differential(&file);
});
