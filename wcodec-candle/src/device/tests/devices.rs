//! Several devices, and several sessions on one.

use super::fake::Fake;
use super::support::{
    Behaviour, Loaded, SLOW, SMALL, Source, all, assert_clean, file, load, open, setup,
};
use crate::device::Sessions;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use wcodec::Reader;

const KEYS: [usize; 2] = [0, 1];

/// Loads everything on one device, in an order and a type of its own; the first message if that fails.
fn load_on(
    sessions: &Sessions<usize, Fake>,
    key: usize,
    fake: &Arc<Fake>,
    reader: &Arc<Reader>,
) -> Result<Vec<Loaded>, String> {
    let mut ids = all(reader);
    if key > 0 {
        ids.reverse();
    }
    let mut loaded = Vec::new();
    for id in ids {
        let session = sessions.open(key, || Ok(Arc::clone(fake)));
        let session = session.map_err(|error| error.to_string())?;
        let one = load(&session, fake, reader, id, key > 0);
        loaded.push(one.map_err(|fault| fault.to_string())?);
    }
    Ok(loaded)
}

#[test]
fn two_devices_load_the_same_file_at_once_and_each_has_it_whole() {
    let reader = Source::new(file(6)).reader();
    let devices = KEYS.map(|_| Fake::new(&reader, SLOW));
    let sessions = Sessions::new(setup(&reader, &SMALL, None));
    let loaded = std::thread::scope(|scope| {
        let load = |key: usize| {
            let (sessions, fake, reader) = (&sessions, &devices[key].0, &reader);
            scope.spawn(move || load_on(sessions, key, fake, reader).unwrap())
        };
        KEYS.map(load).map(|thread| thread.join().unwrap())
    });
    sessions.finish().unwrap();
    for loaded in loaded.iter().flatten() {
        loaded.assert_whole(&reader);
        let is_empty = reader.info(loaded.id).raw_bytes == 0;
        assert_eq!(loaded.memory.is_none(), is_empty);
    }
    for (fake, ledger) in devices {
        assert!(
            ledger.peak_bytes.load(SeqCst) <= SMALL.device_bytes(),
            "each by itself"
        );
        drop(fake);
        assert_clean(&ledger);
    }
}

#[test]
fn two_loaders_on_two_devices_of_the_same_file() {
    let source = Source::new(file(4));
    std::thread::scope(|scope| {
        for key in KEYS {
            let reader = source.reader();
            scope.spawn(move || {
                let (fake, ledger) = Fake::new(&reader, SLOW);
                let sessions = Sessions::new(setup(&reader, &SMALL, None));
                let loaded = load_on(&sessions, key, &fake, &reader).unwrap();
                sessions.abandon();
                loaded
                    .iter()
                    .for_each(|loaded| loaded.assert_whole(&reader));
                drop((sessions, fake));
                assert_clean(&ledger);
            });
        }
    });
}

#[test]
fn a_device_that_fails_does_not_touch_the_other() {
    let reader = Source::new(file(4)).reader();
    let faults = [
        Behaviour {
            faults_at: Some(30),
            ..SLOW
        },
        Behaviour {
            fails_at: Some(60),
            is_lost: true,
            ..SLOW
        },
        Behaviour {
            fails_at: Some(0),
            is_lost: true,
            ..SLOW
        },
        Behaviour {
            bad_chunk: Some(3),
            ..SLOW
        },
    ];
    for fault in faults {
        let devices = [SLOW, fault].map(|behaviour| Fake::new(&reader, behaviour));
        let sessions = Sessions::new(setup(&reader, &SMALL, None));
        let [whole, failed] = std::thread::scope(|scope| {
            let load = |key: usize| {
                let (sessions, fake, reader) = (&sessions, &devices[key].0, &reader);
                scope.spawn(move || load_on(sessions, key, fake, reader))
            };
            KEYS.map(load).map(|thread| thread.join().unwrap())
        });
        let finished = sessions.finish();
        assert!(failed.is_err() || finished.is_err(), "{fault:?} was told");
        let whole = whole.unwrap();
        assert_eq!(whole.len(), all(&reader).len());
        whole.iter().for_each(|loaded| loaded.assert_whole(&reader));
        // The device that failed may be tried again, the other goes on.
        let again = load_on(&sessions, 0, &devices[0].0, &reader).unwrap();
        sessions.finish().unwrap();
        again.iter().for_each(|loaded| loaded.assert_whole(&reader));
        drop(sessions);
        for (fake, ledger) in devices {
            drop(fake);
            assert_clean(&ledger);
        }
    }
}

#[test]
fn two_sessions_on_one_device_take_twice_the_memory_and_not_more() {
    let reader = Source::new(file(4)).reader();
    for first_dropped in [0, 1] {
        let (fake, ledger) = Fake::new(&reader, SLOW);
        let mut sessions = [(); 2].map(|()| Some(open(&fake, &reader, &SMALL, 2).unwrap()));
        let loaded = std::thread::scope(|scope| {
            let load = |widen: usize| {
                let (session, fake, reader) = (&sessions[widen], &fake, &reader);
                scope.spawn(move || {
                    let session = session.as_ref().unwrap();
                    let load = |id| load(session, fake, reader, id, widen > 0).unwrap();
                    all(reader).into_iter().map(load).collect::<Vec<_>>()
                })
            };
            KEYS.map(load).map(|thread| thread.join().unwrap())
        });
        assert!(ledger.peak_bytes.load(SeqCst) <= 2 * SMALL.device_bytes());
        drop(sessions[first_dropped].take());
        loaded[first_dropped]
            .iter()
            .for_each(|loaded| loaded.assert_whole(&reader));
        let left = ledger.live_bytes.load(SeqCst);
        assert!(
            (1..=SMALL.device_bytes()).contains(&left),
            "{left} bytes are the other's"
        );
        // The other goes on.
        let other = sessions[1 - first_dropped].take().unwrap();
        let id = reader.find("layers.2.q").unwrap();
        let more = load(&other, &fake, &reader, id, false).unwrap();
        other.close().unwrap();
        more.assert_whole(&reader);
        loaded[1 - first_dropped]
            .iter()
            .for_each(|loaded| loaded.assert_whole(&reader));
        drop((other, fake));
        assert_clean(&ledger);
    }
}

#[test]
fn beginning_anew_keeps_the_session_and_says_whether_there_is_one() {
    let reader = Source::new(file(2)).reader();
    let (fake, ledger) = Fake::new(&reader, Behaviour::default());
    let sessions = Sessions::new(setup(&reader, &SMALL, None));
    assert!(!sessions.begin_anew(0), "there is none yet");
    let machine = || Ok(Arc::clone(&fake));
    let first = sessions.open(0, machine).unwrap();
    assert!(sessions.begin_anew(0) && !sessions.begin_anew(1));
    assert!(Arc::ptr_eq(&first, &sessions.open(0, machine).unwrap()));
    drop(first);
    sessions.finish().unwrap();
    assert!(!sessions.begin_anew(0), "it was finished");
    drop((sessions, fake));
    assert_clean(&ledger);
}
