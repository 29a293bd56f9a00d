//! How large chunks and parts are.

use super::Effort;
use crate::format::CHUNK_MAX_SAMPLES;

/// Samples of a chunk the encoder aims at, where rows allow: small tensors want more chunks to spread over lanes and
/// threads, large ones fewer states and entries to pay for. [`Effort::Max`] takes the largest chunks there are.
const SMALL_TENSOR_CHUNK: u64 = 1 << 14;
const LARGE_TENSOR_CHUNK: u64 = 1 << 15;
const LARGE_TENSOR_SAMPLES: u64 = 1 << 16;
/// Chunks begin at multiples of this many samples where rows allow, for aligned vector stores.
const ALIGN_SAMPLES: u64 = 32;
/// Raw bytes of a part the encoder aims at: what it holds in memory at a time, and what shares tables. [`Effort::Max`]
/// has more and larger tables to share.
const PART_RAW_BYTES: u64 = 8 << 20;
const MAX_EFFORT_PART_RAW_BYTES: u64 = 32 << 20;

/// Samples of each chunk of a tensor of `num_samples`, whose last dimension takes `row_samples` (0 if that is not
/// a whole number): whole rows where a row fits a chunk.
pub(crate) fn chunk_samples(num_samples: u64, row_samples: u64, effort: Effort) -> u32 {
    let most = u64::from(CHUNK_MAX_SAMPLES);
    let target = match effort {
        Effort::Max => most,
        _ if num_samples < LARGE_TENSOR_SAMPLES => SMALL_TENSOR_CHUNK,
        _ => LARGE_TENSOR_CHUNK,
    };
    let chunk = if row_samples == 0 || row_samples > most {
        target
    } else {
        let aligned = row_samples * (ALIGN_SAMPLES / gcd(row_samples, ALIGN_SAMPLES));
        let unit = if aligned <= target {
            aligned
        } else {
            row_samples
        };
        // To the nearest multiple that is allowed, at least one; a unit over the target is a whole row.
        ((target + unit / 2) / unit).min(most / unit).max(1) * unit
    };
    u32::try_from(chunk.min(num_samples.max(1)).min(most)).unwrap_or(CHUNK_MAX_SAMPLES)
}

/// Chunks of each part but the last.
pub(crate) fn chunks_per_part(chunk_samples: u32, sample_bytes: usize, effort: Effort) -> u32 {
    let part_bytes = match effort {
        Effort::Max => MAX_EFFORT_PART_RAW_BYTES,
        Effort::Fast | Effort::Default => PART_RAW_BYTES,
    };
    let chunk_bytes = u64::from(chunk_samples) * sample_bytes as u64;
    u32::try_from((part_bytes / chunk_bytes.max(1)).max(1)).unwrap_or(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_whole_rows_where_a_row_fits() {
        assert_eq!(chunk_samples(288 * 768, 288, Effort::Default), 114 * 288);
        assert_eq!(chunk_samples(48 * 288, 288, Effort::Default), 48 * 288);
        assert_eq!(
            chunk_samples(4096 * 11008, 11008, Effort::Default),
            3 * 11008
        );
        assert_eq!(chunk_samples(4096 * 4096, 4096, Effort::Default), 8 * 4096);
        assert_eq!(chunk_samples(100_000 * 7, 7, Effort::Default), 146 * 7 * 32);
        assert_eq!(chunk_samples(1 << 24, 60_000, Effort::Default), 60_000);
        assert_eq!(chunk_samples(1 << 24, 100_000, Effort::Default), 1 << 15);
        assert_eq!(chunk_samples(10, 5, Effort::Default), 10);
        assert_eq!(chunk_samples(1, 1, Effort::Default), 1);
        assert_eq!(chunk_samples(288 * 768, 288, Effort::Max), 227 * 288);
        assert_eq!(chunk_samples(1000, 10, Effort::Max), 1000);
        for row in 1..2000 {
            let chunk = chunk_samples(u64::MAX, row, Effort::Default);
            assert!(
                u64::from(chunk).is_multiple_of(row) && chunk <= CHUNK_MAX_SAMPLES,
                "row {row}"
            );
        }
    }

    #[test]
    fn parts_hold_whole_chunks() {
        assert_eq!(chunks_per_part(1 << 15, 2, Effort::Max), 512);
        assert_eq!(chunks_per_part(1 << 16, 8, Effort::Default), 16);
        assert_eq!(chunks_per_part(1, 1, Effort::Fast), 8 << 20);
    }
}
