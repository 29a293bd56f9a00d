//! Damaged chunks behind valid checksums: an error on the CPU is a status that is not 0, and the other way round;
//! nothing is written elsewhere.

use super::compare::{SCHEDULES, load};
use super::support::forge::{Forge, stream};
use super::support::{Random, Tensor, encode_with, structured, weights};
use std::collections::BTreeMap;
use wcodec::{Dtype, Effort, Limits, Reader, Tool};
use wcodec_kernels::emulation::Schedule;
use wcodec_kernels::{Element, status_error};

/// Decodes tensor `t` on both; returns the statuses that are not 0.
fn check(label: &str, file: &[u8], schedules: &[Schedule]) -> Vec<u32> {
    let Ok(reader) = Reader::new(file.to_vec(), &Limits::default()) else {
        return vec![]; // longer than what it decodes to
    };
    let id = reader.find("t").unwrap();
    let mut expected = vec![0; usize::try_from(reader.info(id).raw_bytes).unwrap()];
    let on_cpu = reader.decode_bytes(id, &mut expected);
    let loaded = match load(&reader, file, &[id], Element::Same) {
        Ok(loaded) => loaded,
        Err(error) => {
            // What planning refuses, decoding refuses.
            let on_cpu = on_cpu.expect_err(label).to_string();
            assert_eq!(error.to_string(), on_cpu, "{label}");
            return vec![];
        }
    };
    let mut failed = Vec::new();
    for &schedule in schedules {
        let (statuses, bytes) = loaded.run(schedule);
        failed = statuses.into_iter().filter(|&status| status != 0).collect();
        match &on_cpu {
            Ok(()) => assert!(
                failed.is_empty() && bytes == expected,
                "{label}, {schedule:?}: {failed:?}"
            ),
            Err(error) => assert!(!failed.is_empty(), "{label}, {schedule:?}: {error}"),
        }
    }
    failed
}

/// Changes bytes of the chunks in many ways; says how often each status came.
fn damage(base: &Forge, seed: u64, rounds: u32) -> BTreeMap<u32, u32> {
    let mut statuses = BTreeMap::new();
    let mut random = Random(seed);
    let mut below = |limit: usize| usize::try_from(random.bits() >> 20).unwrap() % limit.max(1);
    for round in 0..rounds {
        let mut forge = base.clone();
        let chunks = &mut forge.tensors[0].parts[0].chunks;
        let which = below(chunks.len());
        let chunk = &mut chunks[which];
        for _ in 0..=below(3) {
            let escapes = usize::from(chunk.entry.escapes) * 4;
            let len = chunk.coded.len();
            // States, words, bits, escapes: each as often, however short.
            let at = match below(4) {
                0 => below(len.min(128)),
                1 if escapes > 0 => len - 1 - below(escapes),
                2 => len - 1 - below(len.min(40)),
                _ => below(len),
            };
            chunk.coded[at] = match below(4) {
                0 => 0,
                1 => 255,
                2 => chunk.coded[at] ^ 1 << below(8),
                _ => below(256).to_le_bytes()[0],
            };
            if let (Some(plane), 0) = (chunk.planes.first_mut(), below(4)) {
                let at = below(plane.len());
                plane[at] ^= 1 << below(8);
            }
        }
        let file = stream::seal(&mut forge);
        let schedules = &SCHEDULES[usize::from(round % 8 != 0) * 2..];
        for status in check(&format!("seed {seed}, round {round}"), &file, schedules) {
            *statuses.entry(status).or_default() += 1;
        }
    }
    statuses
}

fn forge_of(tensor: Tensor, tool: Tool) -> Forge {
    let mut forge = Forge::open(&encode_with(&[tensor], Some(tool), Effort::Default));
    forge.tensors[0].name = b"t".to_vec();
    forge
}

fn weights_of(dtype: Dtype, elems: u64) -> Tensor {
    Tensor::new(
        "t",
        dtype,
        &[elems],
        weights(dtype, usize::try_from(elems).unwrap(), 0.02, 9),
    )
}

#[test]
fn chunks_of_rans_and_packed_codes() {
    let mut statuses = BTreeMap::new();
    let wide = |dtype| {
        // Now and then a weight so large or small that it is an escape.
        let mut tensor = weights_of(dtype, 20_011);
        let width = usize::try_from(dtype.bits() / 8).unwrap();
        for (number, bytes) in tensor
            .bytes
            .chunks_mut(width)
            .enumerate()
            .filter(|(number, _)| number % 611 == 5)
        {
            bytes[width - 1] = (number % 119).to_le_bytes()[0];
        }
        tensor
    };
    let bases = [
        (wide(Dtype::BF16), Tool::Split),
        (wide(Dtype::F16), Tool::Split),
        (wide(Dtype::F32), Tool::Split),
        (wide(Dtype::BF16), Tool::Packed),
        (wide(Dtype::F64), Tool::Packed),
        (weights_of(Dtype::BF16, 300), Tool::Split),
    ];
    for (seed, (tensor, tool)) in (1..).zip(bases) {
        for (status, times) in damage(&forge_of(tensor, tool), seed, 60) {
            *statuses.entry(status).or_insert(0) += times;
        }
    }
    assert_eq!(
        statuses.into_keys().collect::<Vec<_>>(),
        [1, 2, 3],
        "every status of such chunks"
    );
}

#[test]
fn chunks_with_tools() {
    let mut statuses = BTreeMap::new();
    let bases = [
        (structured::smooth(Dtype::I16, 67, 100, 1), Tool::Tiles),
        (structured::smooth(Dtype::I16, 67, 100, 1), Tool::Left),
        (structured::smooth(Dtype::I16, 67, 100, 1), Tool::Dct),
        (structured::rope(Dtype::F32, 100, 20), Tool::TopSlope),
        (structured::rope(Dtype::BF16, 100, 20), Tool::Recurrence),
        (structured::palette(100, 100, 100.0, 7), Tool::Palette),
        (structured::half_upcast(60, 50, 5), Tool::Classes),
        (structured::nibbles(64, 20, 4), Tool::Nibbles),
    ];
    for (seed, (tensor, tool)) in (1..).zip(bases) {
        for (status, times) in damage(&forge_of(tensor, tool), seed, 20) {
            *statuses.entry(status).or_insert(0) += times;
        }
    }
    for seed in 1..80 {
        let base = stream::forge(&mut Random(seed));
        for (status, times) in damage(&base, seed, 4) {
            *statuses.entry(status).or_insert(0) += times;
        }
    }
    // Status 5 has a test of its own.
    assert_eq!(
        statuses
            .into_keys()
            .filter(|&status| status < 5)
            .collect::<Vec<_>>(),
        [1, 2, 3, 4],
        "every status"
    );
}

#[test]
fn a_predictor_that_there_is_not() {
    let mut forge = forge_of(structured::smooth(Dtype::I16, 67, 100, 1), Tool::Tiles);
    let chunk = &mut forge.tensors[0].parts[0].chunks[0];
    let bits =
        chunk.coded.len() - usize::from(chunk.entry.escapes) * 4 - chunk.entry.planes_crc as usize;
    // The first tile's is not that of the tile before it, but 7.
    chunk.coded[bits] = 0b1110;
    let failed = check("predictor 7", &stream::seal(&mut forge), &SCHEDULES);
    assert_eq!(failed, [5]);
}

#[test]
fn every_status_has_an_error_of_its_own() {
    let texts: Vec<String> = (1..7).map(|code| status_error(code).to_string()).collect();
    assert!(
        texts[..5]
            .iter()
            .all(|text| text.contains("FORMAT.md") || text.contains("not supported"))
    );
    assert_eq!(texts[5], "decoding failed on the device (code 6)");
}
