//! The `wcodec` command as a user meets it: files, exit codes, lines, JSON.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "command/bad_input.rs"]
mod bad_input;
#[path = "command/inspect.rs"]
mod inspect;
#[path = "command/interrupt.rs"]
mod interrupt;
#[path = "command/output.rs"]
mod output;
#[path = "command/round_trip.rs"]
mod round_trip;
#[path = "command/simd.rs"]
mod simd;
#[path = "command/support.rs"]
mod support;
#[path = "command/targets.rs"]
mod targets;
#[path = "command/tools.rs"]
mod tools;
