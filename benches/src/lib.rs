//! What the benches and the report share: weights, inputs of any size, and codecs behind one trait.
//!
//! Every codec gets the same bytes, and is believed only after it gave them back.

mod codec;
mod input;
pub mod llama;
pub mod loading;
mod ours;
mod peers;
mod weights;

pub use codec::{Blocks, Codec, peers};
pub use input::{Format, Input};
pub use ours::Wcodec;

/// Thread pools worth a measurement: one thread, and all of them.
///
/// # Errors
///
/// When the threads cannot be started.
pub fn pools() -> Result<Vec<rayon::ThreadPool>, rayon::ThreadPoolBuildError> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = if all > 1 { vec![1, all] } else { vec![1] };
    counts
        .into_iter()
        .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build())
        .collect()
}

/// What was timed, if it went well. Otherwise the process ends: a failure must not pass for a speed.
pub fn done<T>(timed: anyhow::Result<T>) -> T {
    timed.unwrap_or_else(|error| {
        eprintln!("while timed: {error:#}");
        std::process::exit(1)
    })
}
