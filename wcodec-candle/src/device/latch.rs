//! The first error that nobody was there to be told.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wcodec::Error;

/// Keeps the first error for everybody who asks from then on.
#[derive(Debug, Default)]
pub(super) struct Latch {
    error: Mutex<Option<Arc<Error>>>,
    /// Whether somebody asked since.
    is_told: AtomicBool,
}

impl Latch {
    pub(super) fn set(&self, error: Error) {
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| Arc::new(error));
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let Some(fault) = self.fault() else {
            return Ok(());
        };
        self.is_told.store(true, Ordering::SeqCst);
        Err(fault)
    }

    /// The error, if nobody was told it.
    pub(super) fn untold(&self) -> Option<Fault> {
        self.fault()
            .filter(|_| !self.is_told.load(Ordering::SeqCst))
    }

    fn fault(&self) -> Option<Fault> {
        let kept = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().map(|error| Fault(Arc::clone(error)))
    }
}

/// An error that more than one call returns.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Arc<Error>);

impl Fault {
    /// Tells the user, for no call returns it, and why. Where stderr cannot be written to, nobody is told.
    pub(super) fn print(&self, why: &str) {
        let _ = writeln!(std::io::stderr().lock(), "wcodec: {self} ({why})");
    }

    /// The error itself where this is the only one to have it, else one that says the same.
    #[cfg(feature = "cuda")]
    pub(crate) fn into_candle(self) -> candle_core::Error {
        match Arc::try_unwrap(self.0) {
            Ok(error) => candle_core::Error::wrap(error),
            Err(shared) => candle_core::Error::wrap(Self(shared)),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
