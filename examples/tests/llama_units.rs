//! Runs the unit tests that stand in the files of the example `llama`: cargo builds the program of an
//! example for the tests beside this one, and would not run what is inside it.

#![allow(dead_code, reason = "here only the tests inside are used")]

#[path = "../llama/main.rs"]
mod llama;
