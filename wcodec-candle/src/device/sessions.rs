//! The sessions of one file: one for each device that tensors are asked for on, until they are finished.

use super::lock;
use super::{Fault, Machine, Session, Setup};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, TryLockError};
use wcodec::Result;

/// Where a device's session is, once there is one.
type Place<M> = Arc<Mutex<Option<Arc<Session<M>>>>>;

/// Sessions by device. Devices do not wait for each other.
pub(crate) struct Sessions<K, M: Machine> {
    setup: Setup,
    /// Locked only to find a place in it.
    places: Mutex<HashMap<K, Place<M>>>,
}

impl<K: Copy + Eq + Hash, M: Machine> Sessions<K, M> {
    /// Nothing is opened yet.
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            places: Mutex::default(),
        }
    }

    /// Whether no device has a session, or is about to get one.
    #[cfg(feature = "cuda")]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.places).is_empty()
    }

    /// A device's session, opened now if need be: with the machine that is made for it.
    ///
    /// # Errors
    ///
    /// As [`Session::open`], and what making the machine meets; the next call tries again.
    pub(crate) fn open(
        &self,
        key: K,
        machine: impl FnOnce() -> Result<Arc<M>>,
    ) -> Result<Arc<Session<M>>> {
        loop {
            let place = Arc::clone(lock(&self.places).entry(key).or_default());
            let mut session = lock(&place);
            if let Some(session) = &*session {
                return Ok(Arc::clone(session));
            }
            if !self.holds(key, &place) {
                continue; // taken out in the meantime: a session there would never be finished
            }
            let opened = Arc::new(Session::open(machine()?, &self.setup)?);
            *session = Some(Arc::clone(&opened));
            return Ok(opened);
        }
    }

    /// Whether that is a device's place. Nobody locks a place while holding all of them, so this may be asked with the
    /// place locked.
    fn holds(&self, key: K, place: &Place<M>) -> bool {
        let places = lock(&self.places);
        places.get(&key).is_some_and(|now| Arc::ptr_eq(now, place))
    }

    /// Has a device's session begin anew, for another model. `false` if it has none, and none is being opened.
    pub(crate) fn begin_anew(&self, key: K) -> bool {
        let place = Arc::clone(lock(&self.places).entry(key).or_default());
        match place.try_lock() {
            Ok(session) => {
                let session = session.as_ref();
                session.inspect(|session| session.forget_asked()).is_some()
            }
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Poisoned(_)) => false,
        }
    }

    /// Takes out and closes every session, each until all that was enqueued on its device is over. Who asks for a
    /// tensor afterwards opens another.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong on any device; others are printed.
    pub(crate) fn finish(&self) -> std::result::Result<(), Fault> {
        let mut result = Ok(());
        for session in self.take() {
            match (session.close(), &result) {
                (Err(fault), Ok(())) => result = Err(fault),
                (Err(fault), Err(_)) => fault.print("`finish` returned that of another device"),
                (Ok(()), _) => {}
            }
        }
        result
    }

    /// Takes out every session and drops it, which waits for it and prints the errors that no call has returned.
    pub(crate) fn abandon(&self) {
        drop(self.take());
    }

    fn take(&self) -> Vec<Arc<Session<M>>> {
        let places: Vec<Place<M>> = lock(&self.places).drain().map(|(_, place)| place).collect();
        places
            .iter()
            .filter_map(|place| lock(place).take())
            .collect()
    }
}
