//! Failures at every step, and drops in every order.

use super::fake::{Fake, Ledger};
use super::support::{Behaviour, Loaded, SLOW, SMALL, Source, all, assert_clean, file, load, open};
use crate::device::Lane;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use wcodec::Reader;

/// Loads everything and closes; the tensors if nothing failed, else the first message.
fn run(reader: &Arc<Reader>, behaviour: Behaviour) -> (Result<Vec<Loaded>, String>, Arc<Ledger>) {
    let (fake, ledger) = Fake::new(reader, behaviour);
    let result = (|| {
        let session = open(&fake, reader, &SMALL, 2);
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
    let session = open(&fake, &reader, &SMALL, 2).unwrap();
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

#[test]
fn drops_in_every_order_leave_nothing_and_change_nothing() {
    let reader = Source::new(file(3)).reader();
    for order in 0..3 {
        let (fake, ledger) = Fake::new(&reader, SLOW);
        let session = open(&fake, &reader, &SMALL, 2).unwrap();
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
    let session = open(&fake, &reader, &SMALL, 2).unwrap();
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
