//! Failures at every step, damage, and drops in every order.

use super::fake::{Fake, Ledger};
use super::support::{
    Behaviour, Loaded, SLOW, SMALL, Source, all, assert_clean, encode, file, load,
};
use crate::device::{Budget, Lane, Outcome, Session, Target};
use safetensors::Dtype;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use wcodec::Reader;
use wcodec_kernels::Element;

/// Loads everything and closes; the tensors if nothing failed, else the first message.
fn run(reader: &Arc<Reader>, behaviour: Behaviour) -> (Result<Vec<Loaded>, String>, Arc<Ledger>) {
    let (fake, ledger) = Fake::new(reader, behaviour);
    let result = (|| {
        let session = Session::open(Arc::clone(&fake), Arc::clone(reader), &SMALL, 2);
        let session = session.map_err(|error| error.to_string())?;
        let load = |id| load(&session, &fake, reader, id, true);
        let loaded: Result<Vec<Loaded>, _> = all(reader).into_iter().map(load).collect();
        let closed = session.close();
        let loaded = loaded.map_err(|fault| fault.to_string())?;
        closed.map_err(|fault| fault.to_string())?;
        Ok(loaded)
    })();
    drop(fake);
    (result, ledger)
}

/// Runs with ever later failures until one is never reached. Every run ends, leaves nothing, and either fails or gives
/// the right tensors.
fn sweep(reader: &Arc<Reader>, step: usize, behaviour: impl Fn(usize) -> Behaviour) {
    let (mut failed, mut at) = (0, 0);
    loop {
        let (result, ledger) = run(reader, behaviour(at));
        assert_clean(&ledger);
        let was_reached = match behaviour(at).faults_at {
            Some(fault) => ledger.done.load(SeqCst) > fault,
            None => ledger.calls.load(SeqCst) > at,
        };
        match result {
            Ok(loaded) => loaded.iter().for_each(|loaded| loaded.assert_whole(reader)),
            Err(message) => {
                assert!(message.contains("code 700"), "{at}: {message}");
                failed += 1;
            }
        }
        if !was_reached {
            break;
        }
        at += step;
    }
    assert!(
        failed > 5,
        "only {failed} of {at} calls that failed were noticed"
    );
}

#[test]
fn a_call_that_fails_once_fails_a_call_or_nothing() {
    let reader = Source::new(file(2)).reader();
    sweep(&reader, 1, |at| Behaviour {
        fails_at: Some(at),
        ..Behaviour::default()
    });
}

#[test]
fn a_device_that_is_lost_ends_everything() {
    let reader = Source::new(file(2)).reader();
    sweep(&reader, 3, |at| Behaviour {
        fails_at: Some(at),
        is_lost: true,
        ..Behaviour::default()
    });
}

#[test]
fn a_fault_under_way_is_found_later() {
    let reader = Source::new(file(2)).reader();
    sweep(&reader, 3, |at| Behaviour {
        faults_at: Some(at),
        ..Behaviour::default()
    });
}

#[test]
fn a_chunk_that_the_kernel_refuses_is_the_error_of_what_comes_next_and_of_the_end() {
    let reader = Source::new(file(3)).reader();
    let behaviour = Behaviour {
        bad_chunk: Some(0),
        ..SLOW
    };
    let (fake, ledger) = Fake::new(&reader, behaviour);
    let session = Session::open(Arc::clone(&fake), Arc::clone(&reader), &SMALL, 2).unwrap();
    let ids = all(&reader);
    load(&session, &fake, &reader, ids[0], false).unwrap();
    let told = session.settle(Lane::Layers).unwrap_err().to_string();
    assert!(told.contains("tensor `embed`, chunk 0: "), "{told}");
    let next = load(&session, &fake, &reader, ids[1], false)
        .map(drop)
        .unwrap_err();
    assert_eq!(next.to_string(), told);
    assert_eq!(session.close().unwrap_err().to_string(), told);
    drop((session, fake));
    assert_clean(&ledger);
}

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
            let session = Session::open(Arc::clone(&fake), Arc::clone(&reader), &SMALL, 2).unwrap();
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
        let session = Session::open(Arc::clone(&fake), Arc::clone(&reader), &budget, 2).unwrap();
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
    let session = Session::open(Arc::clone(&fake), Arc::clone(&reader), &SMALL, 2).unwrap();
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
    let session = Session::open(Arc::clone(&fake), Arc::clone(&reader), &SMALL, 2).unwrap();
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

#[test]
fn drops_in_every_order_leave_nothing_and_change_nothing() {
    let reader = Source::new(file(3)).reader();
    for order in 0..3 {
        let (fake, ledger) = Fake::new(&reader, SLOW);
        let session = Session::open(Arc::clone(&fake), Arc::clone(&reader), &SMALL, 2).unwrap();
        let load = |id| load(&session, &fake, &reader, id, false).unwrap();
        let loaded: Vec<Loaded> = all(&reader).into_iter().map(load).collect();
        match order {
            0 => drop(session), // nobody called `close`
            1 => {
                session.close().unwrap();
                session.close().unwrap();
                drop(session);
            }
            _ => std::thread::spawn(move || drop(session)).join().unwrap(),
        }
        // Whoever dropped it, the tensors are whole afterwards.
        loaded
            .iter()
            .for_each(|loaded| loaded.assert_whole(&reader));
        drop(fake);
        assert_clean(&ledger);
    }
}

#[test]
fn closing_waits_for_tensors_on_their_way() {
    let reader = Source::new(file(6)).reader();
    let (fake, ledger) = Fake::new(&reader, SLOW);
    let session = Session::open(Arc::clone(&fake), Arc::clone(&reader), &SMALL, 2).unwrap();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let load = |id| load(&session, &fake, &reader, id, false).unwrap();
            all(&reader).into_iter().map(load).collect::<Vec<Loaded>>()
        });
        for _ in 0..5 {
            session.close().unwrap();
        }
        let loaded = asking.join().unwrap();
        session.close().unwrap();
        loaded
            .iter()
            .for_each(|loaded| loaded.assert_whole(&reader));
    });
    drop((session, fake));
    assert_clean(&ledger);
}
