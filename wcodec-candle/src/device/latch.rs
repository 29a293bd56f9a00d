//! The first error that nobody was there to be told.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use wcodec::Error;

/// Keeps the first error for everybody who asks from then on.
#[derive(Debug, Default)]
pub(super) struct Latch(Mutex<Option<Arc<Error>>>);

impl Latch {
    pub(super) fn set(&self, error: Error) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| Arc::new(error));
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .map_or(Ok(()), |error| Err(Fault(Arc::clone(error))))
    }
}

/// An error that more than one call returns.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Arc<Error>);

#[cfg(feature = "cuda")]
impl Fault {
    /// The error itself where this is the only one to have it, else one that says the same.
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
