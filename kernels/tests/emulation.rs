//! The kernels, on the emulator, decode what the CPU decoder decodes.
#![expect(unsafe_code, reason = "kernels are given addresses")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking, in helpers too"
)]

#[path = "../../wcodec/tests/support/mod.rs"]
mod support;

#[path = "emulation/compare.rs"]
mod compare;
#[path = "emulation/conversions.rs"]
mod conversions;
#[path = "emulation/damage.rs"]
mod damage;
#[path = "emulation/dtypes.rs"]
mod dtypes;
#[path = "emulation/largest.rs"]
mod largest;
#[path = "emulation/tools.rs"]
mod tools;
