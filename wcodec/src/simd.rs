//! The instruction sets that this machine decodes and encodes with.
//!
//! Every one gives the same bytes. The best is taken, or the one that the environment variable `WCODEC_SIMD` names when
//! the process first decodes, encodes or asks: `scalar`, `avx2`, `avx512` or `neon`. A name that this machine does not
//! have is passed over.

use crate::entropy::simd::Isa;

/// The names of those this machine has, the best last.
///
/// # Examples
///
/// ```
/// assert_eq!(wcodec::simd::available().next(), Some("scalar"));
/// ```
pub fn available() -> impl DoubleEndedIterator<Item = &'static str> {
    Isa::available().map(Isa::name)
}

/// The name of the one in use.
///
/// # Examples
///
/// ```
/// assert!(wcodec::simd::available().any(|name| name == wcodec::simd::chosen()));
/// ```
pub fn chosen() -> &'static str {
    Isa::chosen().name()
}
