//! What the fuzz targets do, on seeded mutations of the golden files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod support;

use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use support::fuzzing::{self, GOLDEN};
use support::{Random, encode_with, naive_decoder, structured};
use wcodec::Effort;

const SEED: u64 = 0x5eed;
const ROUNDS: u64 = 2_000;

/// Every round from a seed of its own, so that one that fails can be run alone.
fn rounds(num_rounds: u64, run: impl Fn(&mut Random) + Sync) {
    (1..=num_rounds).into_par_iter().for_each(|round| {
        let run = || run(&mut Random(SEED * round));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        if let Err(panic) = caught {
            eprintln!("seed {SEED:#x}, round {round}");
            std::panic::resume_unwind(panic);
        }
    });
}

fn mutated(random: &mut Random) -> Vec<u8> {
    let mut file = GOLDEN[usize::from(!random.bits().is_multiple_of(4))].to_vec();
    fuzzing::mutate(&mut file, random);
    file
}

#[test]
fn damaged_files() {
    rounds(ROUNDS, |random| {
        let file = mutated(random);
        fuzzing::decode_any(&file);
        fuzzing::differential(&file);
    });
}

#[test]
fn damaged_files_with_right_checksums() {
    let opened = AtomicU64::new(0);
    rounds(ROUNDS, |random| {
        let mut file = mutated(random);
        fuzzing::repair(&mut file);
        opened.fetch_add(fuzzing::decode_any(&file).into(), Ordering::Relaxed);
        fuzzing::differential(&file);
    });
    let opened = opened.into_inner();
    assert!(opened > ROUNDS / 3, "only {opened} get past the index");
}

#[test]
fn damaged_parts_with_tools() {
    let file = encode_with(&structured::small(), None, Effort::Default);
    let mut repaired = file.clone();
    fuzzing::repair(&mut repaired);
    assert!(repaired == file);
    rounds(ROUNDS, |random| {
        let mut file = file.clone();
        fuzzing::mutate(&mut file, random);
        fuzzing::repair(&mut file);
        fuzzing::decode_any(&file);
        fuzzing::differential(&file);
    });
}

#[test]
fn repairing_a_whole_file_changes_nothing() {
    for file in GOLDEN {
        let mut repaired = file.to_vec();
        fuzzing::repair(&mut repaired);
        assert!(repaired == file);
    }
}

#[test]
fn frequency_tables() {
    rounds(ROUNDS / 2, |random| {
        let mut tables = vec![1, 0, 0x85, 2, 0, 0, 118, 2, 0, 0x9f, 0x1f, 49, 43, 0];
        fuzzing::mutate(&mut tables, random);
        fuzzing::rans_tables(&tables);
    });
}

#[test]
fn indices() {
    let file = GOLDEN[1];
    let start =
        usize::try_from(naive_decoder::parse(file, u64::MAX).unwrap().index_offset).unwrap();
    let index = &file[start..file.len() - 16];
    rounds(ROUNDS, |random| {
        let mut index = index.to_vec();
        fuzzing::mutate(&mut index, random);
        fuzzing::index(&index);
    });
}

#[test]
fn tensors_there_and_back() {
    rounds(ROUNDS / 5, |random| {
        let [dtype, effort, rows, mask, ..] = random.bits().to_le_bytes();
        let len = usize::try_from(random.bits() % 3_000).unwrap();
        let mut bytes = random.bytes(len);
        bytes.iter_mut().for_each(|byte| *byte &= mask);
        fuzzing::roundtrip(dtype, effort, rows, &bytes);
    });
}
