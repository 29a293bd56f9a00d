//! Parts with tools from random choices (`support/forge/stream.rs`), whole and damaged: both decoders agree.

use super::support::Random;
use super::support::forge::Forge;
use super::support::forge::stream;
use super::support::{fuzzing, naive_decoder as naive};
use rayon::prelude::*;
use std::collections::BTreeSet;

const SEED: u64 = 0x70_01;

/// Both decoders on the file: whether it is valid.
pub(super) fn agree(label: &str, file: &[u8]) -> bool {
    let naive = naive::parse(file, u64::MAX)
        .and_then(|container| naive::decode_tensor(file, &container, 0));
    fuzzing::decode_any(file);
    match (naive, stream::decode(file)) {
        (Ok(naive), Ok(ours)) => {
            assert!(naive == ours, "{label}: the bytes differ");
            true
        }
        (Err(_), Err(_)) => false,
        (Ok(_), Err(error)) => panic!("{label}: only the library refuses it: {error}"),
        (Err(rule), Ok(_)) => panic!("{label}: only the naive decoder refuses it: {rule}"),
    }
}

/// The tools of the file's only part.
fn tools(forge: &Forge, sample_bits: u64) -> Vec<String> {
    let part = &forge.tensors[0].parts[0];
    let symbol_bits = part.fields.symbol_bits;
    let (tables, _) = naive::parse_tables(&part.tables, symbol_bits).unwrap();
    let record = naive::Record::parse(&part.record, sample_bits, symbol_bits, &tables);
    record.unwrap().tools()
}

/// Every kind of every tool that the format has.
const KINDS: [&str; 35] = [
    "units of 4 bits",
    "units of 8 bits",
    "units of 16 bits",
    "units of 32 bits",
    "units of 64 bits",
    "order None",
    "order Some(0)",
    "order Some(1)",
    "order Some(2)",
    "predictor 0",
    "predictor 1",
    "predictor 2",
    "predictor 3",
    "predictor 4",
    "predictor 5",
    "predictor 6",
    "predictor 254",
    "predictor 255",
    "transform 0",
    "transform 1",
    "transform 2",
    "classes: values",
    "classes: tokens",
    "classes: palette",
    "classes: floats",
    "classes: floats, some short",
    "contexts 0",
    "contexts 1",
    "contexts 2",
    "contexts 3",
    "mode 0",
    "mode 1",
    "mode 2",
    "escapes",
    "bits",
];

#[test]
fn random_streams_decode_alike() {
    const ROUNDS: u64 = 600;
    let valid = (1..=ROUNDS).into_par_iter().map(|round| {
        let mut forge = stream::forge(&mut Random(SEED * round));
        let file = stream::seal(&mut forge);
        if !agree(&format!("round {round}"), &file) {
            return vec![]; // longer than the bytes it decodes to
        }
        let container = naive::parse(&file, u64::MAX).unwrap();
        let mut kinds = tools(&forge, container.tensors[0].sample_len * 8);
        for chunk in &forge.tensors[0].parts[0].chunks {
            kinds.push(format!("mode {}", chunk.entry.mode));
            if chunk.entry.escapes > 0 {
                kinds.push("escapes".into());
            }
            if chunk.entry.mode == 0 && chunk.entry.planes_crc > 0 {
                kinds.push("bits".into());
            }
        }
        kinds
    });
    let valid: Vec<Vec<String>> = valid.collect();
    let num_valid = valid.iter().filter(|kinds| !kinds.is_empty()).count();
    assert!(num_valid as u64 > ROUNDS / 2, "only {num_valid} are valid");
    let found: BTreeSet<String> = valid.into_iter().flatten().collect();
    assert_eq!(found, KINDS.map(str::to_owned).into());
}

/// One change somewhere in the part, all lengths and checksums right.
fn damage(forge: &mut Forge, random: &mut Random) -> String {
    let mut below = |limit: usize| usize::try_from(random.bits() >> 20).unwrap() % limit.max(1);
    let part = &mut forge.tensors[0].parts[0];
    let number = below(part.chunks.len());
    let kind = below(16);
    let mut hit = |bytes: &mut [u8], from: usize, to: usize| {
        let (at, bit) = (from + below(to - from), below(8));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
    };
    let chunk = &mut part.chunks[number];
    let len = chunk.coded.len();
    match kind {
        0 | 1 => hit(&mut part.record, 0, 8),
        2 => {
            let len = part.record.len();
            hit(&mut part.record, 8, len);
        }
        3 => part.record.push(0),
        4 => drop(part.record.pop()),
        5 => {
            let len = part.tables.len();
            hit(&mut part.tables, 0, len);
        }
        6 => hit(&mut chunk.coded, 0, len.min(128)),
        7 => hit(&mut chunk.coded, 0, len),
        8 => hit(&mut chunk.coded, len - len.min(30), len),
        9 => chunk.coded.push(0),
        10 => drop(chunk.coded.pop()),
        11 => chunk.entry.planes_crc ^= 1 << (below(32) / (1 + below(16))),
        12 => chunk.entry.escapes ^= 1 << (below(16) / (1 + below(8))),
        13 => {
            let field = &mut chunk.entry.table;
            hit(std::slice::from_mut(field), 0, 1);
        }
        14 => {
            let fields = &mut part.fields;
            let field = [
                &mut fields.symbol_bits,
                &mut fields.mapping,
                &mut fields.stored_bits,
                &mut fields.zero_bits,
                &mut fields.method,
            ];
            *field.into_iter().nth(below(5)).unwrap() ^= 1 << below(3);
        }
        _ => chunk.entry.mode ^= 1 << below(2),
    }
    format!("damage {kind}")
}

#[test]
fn damaged_streams_are_judged_alike() {
    const ROUNDS: u64 = 3_000;
    let valid: usize = (1..=ROUNDS)
        .into_par_iter()
        .map(|round| {
            let mut random = Random(SEED * round + 1);
            let mut forge = stream::forge(&mut random);
            stream::seal(&mut forge);
            let label = damage(&mut forge, &mut random);
            let file = stream::seal(&mut forge);
            usize::from(agree(&format!("round {round}, {label}"), &file))
        })
        .sum();
    // Bits that are flipped give other bytes, most other things break a rule.
    assert!(valid > 100, "only {valid} are valid");
}
