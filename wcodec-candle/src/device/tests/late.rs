//! Errors found when the tensor was handed out long ago: each is told to somebody, once nobody is left to the user.

use super::fake::Fake;
use super::support::{Behaviour, SLOW, SMALL, Source, all, assert_clean, file, load, open, setup};
use crate::device::Sessions;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use wcodec::Reader;

/// Which case of [`a_session_that_is_dropped`] to run, and the file.
const CASE: &str = "WCODEC_TEST_LATE_CASE";
const FILE: &str = "WCODEC_TEST_LATE_FILE";

const BAD: Behaviour = Behaviour {
    bad_chunk: Some(0),
    ..SLOW
};

#[test]
fn a_get_overtaken_by_finish_keeps_its_error() {
    let reader = Source::new(file(2)).reader();
    let id = reader.find("layers.0.q").unwrap();
    for (behaviour, is_bad) in [(BAD, true), (SLOW, false)] {
        let (fake, ledger) = Fake::new(&reader, behaviour);
        let sessions = Sessions::new(setup(&reader, &SMALL, None));
        let machine = || Ok(Arc::clone(&fake));
        let session = sessions.open(0, machine).unwrap();
        sessions.finish().unwrap(); // nothing was asked for
        let loaded = load(&session, &fake, &reader, id, false);
        match loaded {
            Ok(loaded) => {
                assert!(!is_bad);
                loaded.assert_whole(&reader); // nobody is left to wait for it
            }
            Err(fault) => {
                let told = fault.to_string();
                assert!(
                    is_bad && told.contains("tensor `layers.0.q`, chunk 0: "),
                    "{told}"
                );
            }
        }
        let next = sessions.open(0, machine).unwrap();
        assert!(
            !Arc::ptr_eq(&session, &next),
            "a get after finish opens another session"
        );
        drop((session, next));
        sessions.finish().unwrap();
        drop((sessions, fake));
        assert_clean(&ledger);
    }
}

#[test]
fn an_error_is_told_by_a_get_or_by_finish_however_they_race() {
    let reader = Source::new(file(4)).reader();
    for bad_chunk in 0..12 {
        let bad_chunk = Some(bad_chunk);
        let (fake, ledger) = Fake::new(&reader, Behaviour { bad_chunk, ..SLOW });
        let sessions = Sessions::new(setup(&reader, &SMALL, None));
        let mut num_told = 0;
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let get = |id| {
                    let session = sessions.open(0, || Ok(Arc::clone(&fake))).unwrap();
                    load(&session, &fake, &reader, id, false).is_err()
                };
                all(&reader).into_iter().filter(|&id| get(id)).count()
            });
            for _ in 0..10 {
                num_told += usize::from(sessions.finish().is_err());
            }
            num_told += asking.join().unwrap();
        });
        num_told += usize::from(sessions.finish().is_err());
        assert!(num_told > 0, "nobody was told of {bad_chunk:?}");
        drop((sessions, fake));
        assert_clean(&ledger);
    }
}

/// Runs in a process of its own, for what it prints.
#[test]
#[ignore = "the tests below run it"]
fn a_session_that_is_dropped() {
    let path = std::env::var(FILE).unwrap();
    let reader = Arc::new(Reader::open(path).unwrap());
    let (fake, ledger) = Fake::new(&reader, BAD);
    let session = open(&fake, &reader, &SMALL, 2).unwrap();
    let id = reader.find("embed").unwrap();
    load(&session, &fake, &reader, id, false).unwrap();
    if std::env::var(CASE).unwrap() == "told" {
        assert!(session.close().is_err());
    }
    drop((session, fake));
    assert_clean(&ledger);
}

/// What is printed when a session is dropped in a process of its own, which has to succeed.
fn printed(case: &str, path: &Path, stderr: Stdio) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture"]);
    command.arg("device::tests::late::a_session_that_is_dropped");
    command.env(CASE, case).env(FILE, path);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    if case == "unread" {
        drop(child.stderr.take());
    }
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}"
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines = stderr.lines().filter(|line| line.starts_with("wcodec: "));
    lines.map(str::to_owned).collect()
}

#[test]
fn an_error_that_nobody_was_told_is_printed_once_where_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.wcodec");
    std::fs::write(&path, file(1)).unwrap();
    let lines = printed("untold", &path, Stdio::piped());
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    let file = path.to_str().unwrap();
    assert!(
        line.contains(file) && line.contains("tensor `embed`, chunk 0: "),
        "{line}"
    );
    assert_eq!(printed("told", &path, Stdio::piped()), [""; 0]);
    // Writing fails, which is no reason to panic while dropping.
    assert_eq!(printed("unread", &path, Stdio::piped()), [""; 0]);
}
