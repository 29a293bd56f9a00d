//! Lists the tensors of a `.wcodec` file and decodes one of them, without reading the others.
//!
//! ```text
//! cargo run --release --example 01_load_one_tensor
//! cargo run --release --example 01_load_one_tensor -- model.wcodec model.norm.weight
//! ```

use anyhow::{Context, Result};
use std::env;
use std::io::{self, Write};
use wcodec::Reader;

/// The file that is read if none is named.
const DEFAULT_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/tinystories-3m.wcodec");

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let path = args.next().unwrap_or_else(|| DEFAULT_FILE.into());
    let mut out = io::stdout().lock();

    // Opening reads the header and the index, no weights.
    let reader = Reader::open(&path)?;
    for tensor in reader.tensors() {
        let (name, dtype, shape) = (&tensor.name, tensor.dtype, &tensor.shape);
        let (raw, coded) = (tensor.raw_bytes, tensor.coded_bytes());
        writeln!(
            out,
            "{name:<50} {dtype:<5} {shape:?}: {raw} bytes in {coded}"
        )?;
    }

    // Only the chunks of this one tensor are read and decoded, on all cores, and converted as they are.
    let name = args.next().unwrap_or_else(|| "model.norm.weight".into());
    let id = reader
        .find(&name)
        .with_context(|| format!("`{path}` has no tensor `{name}`"))?;
    let num_elems = usize::try_from(reader.info(id).num_elems())?;
    let mut values = vec![0f32; num_elems];
    reader.decode_floats(id, &mut values)?;

    let start = &values[..num_elems.min(4)];
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / num_elems as f64;
    writeln!(
        out,
        "\n{name}: {num_elems} values, {start:?} ..., mean {mean:.4}"
    )?;
    Ok(())
}
