//! Whoever wants to know is told of each tensor once, when it is whole.

use super::fake::Fake;
use super::support::{
    Behaviour, Loaded, SLOW, SMALL, Source, all, assert_clean, enqueue, file, load, setup,
};
use crate::device::{Lane, OnWhole, Session};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};
use wcodec::TensorId;

/// What was told so far.
type Told = Arc<Mutex<Vec<(TensorId, Instant)>>>;

/// Keeps what it is told.
fn recorder() -> (OnWhole, Told) {
    let told = Told::default();
    let recorder = Arc::clone(&told);
    let on_whole = move |id, begin| recorder.lock().unwrap().push((id, begin));
    (Arc::new(on_whole), told)
}

#[test]
fn each_tensor_is_told_once_and_not_before_it_is_whole() {
    let reader = Source::new(file(5)).reader();
    let (fake, ledger) = Fake::new(&reader, SLOW);
    let (on_whole, told) = recorder();
    let setup = setup(&reader, &SMALL, Some(on_whole));
    let session = Session::open(Arc::clone(&fake), &setup).unwrap();
    let before = Instant::now();
    let mut loaded = Vec::new();
    for id in all(&reader) {
        loaded.push(load(&session, &fake, &reader, id, false).unwrap());
        // Of all that was told so far the bytes are there.
        for (id, begin) in told.lock().unwrap().iter() {
            let of_id = loaded.iter().find(|loaded| loaded.id == *id).unwrap();
            of_id.assert_whole(&reader);
            assert!((before..=Instant::now()).contains(begin));
        }
    }
    session.settle(Lane::Last).unwrap();
    session.close().unwrap();
    let mut ids: Vec<_> = told
        .lock()
        .unwrap()
        .iter()
        .map(|(id, _)| id.index())
        .collect();
    ids.sort_unstable();
    let on_device = loaded.iter().filter(|loaded| loaded.memory.is_some());
    let expected: Vec<_> = on_device.map(|loaded| loaded.id.index()).collect();
    assert_eq!(ids, expected, "once each, but for what has no elements");
    drop((session, fake));
    assert_eq!(
        told.lock().unwrap().len(),
        expected.len(),
        "none after that"
    );
    assert_clean(&ledger);
}

/// Nobody is told while tensors are enqueued, whose memory a panic would free, and a panic loses none but its own.
#[test]
fn who_panics_does_no_harm() {
    let reader = Source::new(file(3)).reader();
    let (fake, ledger) = Fake::new(&reader, SLOW);
    let (record, told) = recorder();
    let has_panicked = AtomicBool::new(false);
    let on_whole: OnWhole = Arc::new(move |id, begin| {
        record(id, begin);
        assert!(has_panicked.swap(true, SeqCst), "the first one");
    });
    let setup = setup(&reader, &SMALL, Some(on_whole));
    let session = Session::open(Arc::clone(&fake), &setup).unwrap();
    let enqueue = |id| enqueue(&session, &fake, &reader, id, false).unwrap();
    let loaded: Vec<Loaded> = all(&reader).into_iter().map(enqueue).collect();
    assert_eq!(told.lock().unwrap().len(), 0);
    let settle = || session.settle(Lane::Layers).is_ok();
    assert!(catch_unwind(AssertUnwindSafe(settle)).is_err());
    assert_eq!(told.lock().unwrap().len(), 1);
    session.close().unwrap();
    let num_on_device = loaded.iter().filter(|loaded| loaded.memory.is_some());
    assert_eq!(told.lock().unwrap().len(), num_on_device.count());
    loaded
        .iter()
        .for_each(|loaded| loaded.assert_whole(&reader));
    drop((session, fake));
    assert_clean(&ledger);
}

#[test]
fn a_tensor_on_its_way_is_not_told() {
    let reader = Source::new(file(1)).reader();
    let delay = Duration::from_millis(50);
    let (fake, ledger) = Fake::new(&reader, Behaviour { delay, ..SLOW });
    let (on_whole, told) = recorder();
    let setup = setup(&reader, &SMALL, Some(on_whole));
    let session = Session::open(Arc::clone(&fake), &setup).unwrap();
    let id = reader.find("layers.0.q").unwrap();
    let loaded = load(&session, &fake, &reader, id, false).unwrap();
    assert!(told.lock().unwrap().is_empty(), "it is only enqueued");
    drop(session);
    loaded.assert_whole(&reader);
    assert_eq!(told.lock().unwrap().len(), 1, "dropping waits for it");
    drop(fake);
    assert_clean(&ledger);
}

#[test]
fn what_fails_or_is_left_to_the_host_is_not_told() {
    let reader = Source::new(file(2)).reader();
    for behaviour in [
        Behaviour {
            bad_chunk: Some(0),
            ..SLOW
        },
        Behaviour {
            refuses: Some(1),
            ..SLOW
        },
    ] {
        let (fake, ledger) = Fake::new(&reader, behaviour);
        let (on_whole, told) = recorder();
        let setup = setup(&reader, &SMALL, Some(on_whole));
        let session = Session::open(Arc::clone(&fake), &setup).unwrap();
        let id = reader.find("embed").unwrap();
        let loaded = load(&session, &fake, &reader, id, false).unwrap();
        let is_on_device = loaded.memory.is_some();
        assert_eq!(is_on_device, behaviour.bad_chunk.is_some());
        assert_eq!(session.close().is_err(), is_on_device);
        drop((session, fake));
        assert!(told.lock().unwrap().is_empty());
        assert_clean(&ledger);
    }
}

#[test]
fn who_is_told_may_ask_for_tensors() {
    let reader = Source::new(file(3)).reader();
    let (fake, ledger) = Fake::new(&reader, SLOW);
    let session: Arc<OnceLock<Weak<Session<Fake>>>> = Arc::default();
    let more = Arc::new(Mutex::new(Vec::new()));
    let on_whole: OnWhole = {
        let (session, fake) = (Arc::clone(&session), Arc::clone(&fake));
        let (reader, more) = (Arc::clone(&reader), Arc::clone(&more));
        let [embed, norm] = ["embed", "layers.1.norm"].map(|name| reader.find(name).unwrap());
        Arc::new(move |id, _| {
            let session = session.get().and_then(Weak::upgrade);
            if let (true, Some(session)) = (id == embed, session) {
                let loaded = load(&session, &fake, &reader, norm, false).unwrap();
                more.lock().unwrap().push(loaded);
            }
        })
    };
    let setup = setup(&reader, &SMALL, Some(on_whole));
    let opened = Arc::new(Session::open(Arc::clone(&fake), &setup).unwrap());
    session.set(Arc::downgrade(&opened)).unwrap();
    for id in all(&reader) {
        load(&opened, &fake, &reader, id, false).unwrap();
    }
    opened.close().unwrap();
    let more = std::mem::take(&mut *more.lock().unwrap());
    assert_eq!(more.len(), 1);
    more[0].assert_whole(&reader);
    drop((opened, setup, fake));
    drop(more);
    assert_eq!(*ledger.violations.lock().unwrap(), Vec::<String>::new());
}
