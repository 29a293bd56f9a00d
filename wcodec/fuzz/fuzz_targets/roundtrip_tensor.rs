//! Any tensor comes back, from the library and from the naive decoder.
#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;

use support::fuzzing;

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    dtype: u8,
    effort: u8,
    rows: u8,
    bytes: Vec<u8>,
}

libfuzzer_sys::fuzz_target!(|input: Input| {
    fuzzing::roundtrip(input.dtype, input.effort, input.rows, &input.bytes);
});
