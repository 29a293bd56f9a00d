//! The whole pipeline over a fake device: the bytes that come out, what happens when anything fails, and what is left.

mod failures;
mod fake;
mod loading;
mod support;
