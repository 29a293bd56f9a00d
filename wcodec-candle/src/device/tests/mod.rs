//! The whole pipeline over a fake device: the bytes that come out, what happens when anything fails, and what is left.

mod damage;
mod devices;
mod failures;
mod fake;
mod heads;
mod late;
mod loading;
mod scratch;
pub(super) mod support;
mod whole;
