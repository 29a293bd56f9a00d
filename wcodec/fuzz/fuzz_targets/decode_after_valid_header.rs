//! As `decode_any`, behind a header, an index checksum and chunk checksums that fit.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    fuzzing::repair(&mut file);
    fuzzing::decode_any(&file);
});
