//! Pictures of the results.

mod canvas;
mod gantt;
mod lines;
mod panels;
mod points;

pub(crate) use gantt::timeline;
pub(crate) use lines::by_storage;
pub(crate) use points::{size_against_perplexity, size_against_speed};
