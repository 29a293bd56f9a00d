//! The wcodec bitstream for CUDA.
//!
//! [`FORMAT_H`] is `include/wcodec_format.h`: every constant of FORMAT.md as a C macro, generated from the one
//! hand-written place (`wcodec::format`) and compared with it by a test.

/// The format's constants as a C header.
///
/// # Examples
///
/// ```
/// assert!(wcodec_kernels::FORMAT_H.contains("#define WCODEC_RANS_STATE_MIN 65536"));
/// ```
pub const FORMAT_H: &str = include_str!("../include/wcodec_format.h");
