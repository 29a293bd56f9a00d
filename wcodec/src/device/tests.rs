use super::*;
use crate::checkpoint::{self, ImportOptions, Source};
use crate::{Effort, Limits};
use std::io::Cursor;

fn container(bytes: &[u8], only: Option<crate::Tool>) -> Vec<u8> {
    let header = format!(
        r#"{{"w":{{"dtype":"BF16","shape":[{},64],"data_offsets":[0,{}]}}}}"#,
        bytes.len() / 128,
        bytes.len()
    );
    let padded = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let mut file = (padded.len() as u64).to_le_bytes().to_vec();
    file.extend(padded.into_bytes());
    file.extend(bytes);
    let source = Source::Safetensors {
        name: "model.safetensors",
        bytes: &file,
    };
    let options = ImportOptions {
        effort: Effort::Fast,
        only,
        ..Default::default()
    };
    let mut sink = Cursor::new(Vec::new());
    checkpoint::import_into(source, &mut sink, &options).unwrap();
    sink.into_inner()
}

fn weights(rows: usize) -> Vec<u8> {
    let mut state = 1u64;
    let value = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let exponent = 120 - (state >> 33).trailing_zeros() % 24;
        let bits = exponent << 7
            | u32::try_from(state >> 57).unwrap()
            | u32::from(state >> 40 & 1 == 1) << 15;
        u16::try_from(bits).unwrap().to_le_bytes()
    };
    (0..rows * 64).flat_map(value).collect()
}

/// The planned part and its payload.
fn planned(file: &[u8]) -> (Reader, Vec<u8>, Result<Plan>) {
    let reader = Reader::new(file.to_vec(), &Limits::default()).unwrap();
    let id = reader.find("w").unwrap();
    let part = &reader.parts(id)[0];
    let range = usize::try_from(part.file.start).unwrap()..usize::try_from(part.file.end).unwrap();
    let payload = file[range].to_vec();
    let plan = reader.plan_part(id, 0, &payload);
    (reader, payload, plan)
}

#[test]
fn a_plan_is_what_the_payload_says() {
    let raw = weights(3000);
    let (reader, payload, plan) = planned(&container(&raw, None));
    let plan = plan.unwrap();
    let id = reader.find("w").unwrap();
    let parts = reader.parts(id);
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].raw, 0..raw.len() as u64);
    assert_eq!(plan.num_samples(), raw.len() as u64 / 2);
    assert_eq!(plan.chunks().len(), parts[0].num_chunks as usize);
    assert_eq!((plan.dtype(), plan.sample_bytes()), (crate::Dtype::BF16, 2));
    let Coding::Rans(tables) = plan.coding() else {
        panic!("weights are coded with rANS: {:?}", plan.coding());
    };
    for table in tables {
        let table = table.slots();
        let slots: usize = 4096 / table.buckets.len();
        // Every slot of a symbol has a rank of its own, below the frequency.
        let mut seen = std::collections::BTreeMap::new();
        for bucket in &table.buckets {
            for place in 0..u16::try_from(slots).unwrap() {
                let (share, first) = if place < bucket.threshold {
                    (bucket.own, 0)
                } else {
                    (bucket.alias, bucket.threshold)
                };
                let rank = share.rank + place - first;
                assert!(rank < share.freq);
                assert!(seen.insert((share.code, rank), ()).is_none());
            }
        }
        assert_eq!(seen.len(), 4096);
    }
    for (index, chunk) in plan.chunks().iter().enumerate() {
        assert!(chunk.coded.start % 16 == 0 && chunk.coded.end as usize <= payload.len());
        let offsets: Vec<u32> = plan.plane_offsets(index).collect();
        assert_eq!(offsets.len(), plan.plane_widths().len());
        assert!(offsets.iter().all(|offset| offset % 16 == 0));
    }
}

#[test]
fn stored_and_constant_parts_are_cut_into_runs() {
    let raw = weights(3000);
    let (_, _, plan) = planned(&container(&raw, Some(crate::Tool::Stored)));
    let plan = plan.unwrap();
    let mut at = 0;
    for chunk in plan.chunks() {
        assert_eq!((chunk.mode, chunk.coded.start), (MODE_STORED, at));
        at = chunk.coded.end;
    }
    assert_eq!(at as usize, raw.len());
    let (_, _, plan) = planned(&container(&vec![0x3f; 64 * 2 * 3000], None));
    let plan = plan.unwrap();
    assert!(
        plan.chunks()
            .iter()
            .all(|chunk| chunk.mode == MODE_CONSTANT && chunk.coded == (0..2))
    );
    assert_eq!(plan.num_samples(), 64 * 3000);
}

#[test]
fn every_flipped_bit_of_a_payload_is_refused() {
    for raw in [weights(5), vec![7; 64 * 2 * 5]] {
        let (reader, mut payload, plan) = planned(&container(&raw, None));
        plan.unwrap();
        let id = reader.find("w").unwrap();
        for bit in 0..payload.len() * 8 {
            payload[bit / 8] ^= 1 << (bit % 8);
            let error = reader.plan_part(id, 0, &payload).unwrap_err();
            assert!(error.is_corrupt(), "bit {bit}: {error}");
            assert_eq!(error.location().tensor.as_deref(), Some("w"));
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        let short = &payload[..payload.len() - 1];
        assert!(matches!(
            reader.plan_part(id, 0, short).unwrap_err().kind(),
            ErrorKind::InvalidArgument { .. }
        ));
        assert!(reader.plan_part(id, 1, &payload).is_err());
    }
}

use crate::format::{MODE_CONSTANT, MODE_STORED};
