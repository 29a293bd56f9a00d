//! Entropy coding: histograms, normalised frequencies, alias tables, interleaved rANS (FORMAT.md, section 6).

pub(crate) mod cost;
pub(crate) mod escapes;
pub(crate) mod histogram;
pub(crate) mod rans;
pub(crate) mod simd;
