//! Programs to copy from. This library is empty: each program is a cargo example of its own.
//!
//! | run | what it shows |
//! |---|---|
//! | `cargo run --release --example 01_load_one_tensor` | the tensors of a `.wcodec` file, and one of them as a `Vec<f32>` |
//! | `cargo run --release --example llama` | text from a Llama whose weights come from a `.wcodec` file, with candle |
//!
//! Each program uses only the public interfaces of `wcodec` and `wcodec-candle`.
