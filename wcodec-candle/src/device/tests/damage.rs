//! Files that are damaged, cut short or cannot be read: the error is that of the tensor, and of no other.

use super::fake::Fake;
use super::support::{Behaviour, SLOW, SMALL, Source, all, assert_clean, encode, file, load, open};
use crate::device::{Budget, Lane, Outcome, Target};
use safetensors::Dtype;
use std::time::Duration;
use wcodec::Reader;
use wcodec_kernels::Element;

/// Where the payload of a tensor's first part lies.
fn payload(reader: &Reader, name: &str) -> std::ops::Range<usize> {
    let file = reader.parts(reader.find(name).unwrap()).swap_remove(0).file;
    usize::try_from(file.start).unwrap()..usize::try_from(file.end).unwrap()
}

#[test]
fn damage_is_the_error_of_the_tensor_that_has_it_and_of_no_other() {
    let bytes = file(3);
    let whole = Source::new(bytes.clone()).reader();
    for name in [
        "embed",
        "layers.1.q",
        "layers.2.norm",
        "layers.0.codes",
        "lm_head",
        "lm_head.1",
    ] {
        let payload = payload(&whole, name);
        for at in [
            payload.start,
            (payload.start + payload.end) / 2,
            payload.end - 1,
        ] {
            let source = Source::new(bytes.clone());
            let reader = source.reader();
            // After it was opened: the file changes under the reader.
            source.bytes.write().unwrap()[at] ^= 0x40;
            let (fake, ledger) = Fake::new(&reader, Behaviour::default());
            let session = open(&fake, &reader, &SMALL, 2).unwrap();
            for id in all(&reader) {
                let found = &reader.info(id).name;
                let shares = reader
                    .parts(id)
                    .first()
                    .is_some_and(|part| part.file.start == payload.start as u64);
                match load(&session, &fake, &reader, id, false) {
                    Ok(loaded) => {
                        assert!(!shares, "{found} at {at}");
                        session.settle(Lane::Last).unwrap();
                        session.settle(Lane::Layers).unwrap();
                        loaded.assert_whole(&whole);
                    }
                    Err(fault) => {
                        assert!(shares, "{found} at {at}: {fault}");
                        assert!(
                            fault.to_string().contains(&format!("tensor `{found}`")),
                            "{fault}"
                        );
                    }
                }
            }
            session.close().unwrap();
            drop((session, fake));
            assert_clean(&ledger);
        }
    }
}

#[test]
fn nothing_writes_to_a_tensor_once_its_get_has_failed() {
    let bytes = encode(&[("big".into(), Dtype::BF16, 14_000_001)]);
    for is_damaged in [false, true] {
        let source = Source::new(bytes.clone());
        let reader = source.reader();
        let id = reader.find("big").unwrap();
        let parts = reader.parts(id);
        let third = usize::try_from(parts[2].file.start).unwrap();
        source.bytes.write().unwrap()[third] ^= u8::from(is_damaged);
        let behaviour = Behaviour {
            delay: Duration::from_millis(20),
            refuses: (!is_damaged).then_some(3),
            ..SLOW
        };
        let largest = parts
            .iter()
            .map(|part| part.file.end - part.file.start)
            .max()
            .unwrap();
        let budget = Budget {
            slot_bytes: usize::try_from(largest).unwrap(),
            block_bytes: 4 << 10,
            ..SMALL
        };
        let (fake, ledger) = Fake::new(&reader, behaviour);
        let session = open(&fake, &reader, &budget, 2).unwrap();
        let (address, memory) = fake.output(usize::try_from(reader.info(id).raw_bytes).unwrap());
        let target = Target {
            address,
            element: Element::Same,
            stored_bytes: 2,
            output_bytes: 2,
            lane: Lane::Layers,
        };
        let outcome = session.decode(id, &target);
        assert_eq!(outcome.ok(), (!is_damaged).then_some(Outcome::LeftToHost));
        memory.lock().unwrap().fill(0x77);
        session.close().unwrap();
        assert!(
            memory.lock().unwrap().iter().all(|&byte| byte == 0x77),
            "a part was still under way"
        );
        drop((session, fake));
        assert_clean(&ledger);
    }
}

#[test]
fn a_file_cut_short_is_an_error_that_names_the_tensor() {
    let source = Source::new(file(2));
    let reader = source.reader();
    let from = payload(&reader, "layers.1.q").start;
    source.bytes.write().unwrap().truncate(from + 10);
    let (fake, ledger) = Fake::new(&reader, Behaviour::default());
    let session = open(&fake, &reader, &SMALL, 2).unwrap();
    let fault = load(
        &session,
        &fake,
        &reader,
        reader.find("layers.1.q").unwrap(),
        false,
    );
    let message = fault.map(drop).unwrap_err().to_string();
    assert!(
        message.contains("tensor `layers.1.q`") && message.contains("truncated"),
        "{message}"
    );
    session.close().unwrap();
    drop((session, fake));
    assert_clean(&ledger);
}

#[test]
fn a_source_that_panics_fails_the_tensor_and_hangs_nobody() {
    let whole = Source::new(file(2));
    let mut source = whole.clone();
    source.panics_from = payload(&whole.reader(), "layers.1.q").start as u64;
    let reader = source.reader();
    let (fake, ledger) = Fake::new(&reader, Behaviour::default());
    let session = open(&fake, &reader, &SMALL, 2).unwrap();
    let fault = load(
        &session,
        &fake,
        &reader,
        reader.find("layers.1.q").unwrap(),
        false,
    );
    assert!(
        fault
            .map(drop)
            .unwrap_err()
            .to_string()
            .contains("tensor `layers.1.q`")
    );
    session.close().unwrap();
    drop((session, fake));
    assert_clean(&ledger);
}
