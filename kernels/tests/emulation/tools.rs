//! Every tool, those of the encoder and those of the format alone.

use super::compare::{SCHEDULES, check_file, load};
use super::support::forge::stream;
use super::support::{Random, encode_with, structured};
use std::collections::BTreeSet;
use wcodec::{Effort, Limits, Reader, Tool};
use wcodec_kernels::Element;

#[test]
fn every_tool_of_the_encoder() {
    let mut kernels = BTreeSet::new();
    for tool in Tool::ALL {
        kernels.extend(check_file(&encode_with(
            &structured::small(),
            Some(tool),
            Effort::Fast,
        )));
    }
    for name in [
        "tools_u8",
        "tools_u16",
        "tools_u32",
        "tools_u64",
        "packed_u16",
        "uncoded_u16",
    ] {
        assert!(kernels.contains(name), "{name} never ran");
    }
}

#[test]
fn several_chunks_of_every_tool() {
    check_file(&encode_with(&structured::all(), None, Effort::Default));
}

/// Streams of random choices use what the encoder does not, too.
#[test]
fn random_streams() {
    let mut decoded = 0;
    for seed in 1..150 {
        let mut forge = stream::forge(&mut Random(seed));
        let file = stream::seal(&mut forge);
        let expected = stream::decode(&file);
        let Ok(reader) = Reader::new(file.clone(), &Limits::default()) else {
            continue; // longer than what it decodes to
        };
        let id = reader.find("t").unwrap();
        let loaded = match load(&reader, &file, &[id], Element::Same) {
            Ok(loaded) => loaded,
            Err(error) => {
                assert!(expected.is_err(), "seed {seed}: {error}");
                continue;
            }
        };
        for schedule in SCHEDULES {
            let (statuses, bytes) = loaded.run(schedule);
            let is_decoded = statuses.iter().all(|&status| status == 0);
            assert_eq!(
                is_decoded,
                expected.is_ok(),
                "seed {seed}: {statuses:?}, {expected:?}"
            );
            if let Ok(expected) = &expected {
                assert!(bytes == *expected, "seed {seed}, {schedule:?}");
                decoded += 1;
            }
        }
    }
    assert!(decoded > 200, "only {decoded} runs decoded");
}
