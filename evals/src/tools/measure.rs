//! Sizes of one input: by each tool, by the encoder's choice, by zstd and xz.

use super::entropy::{code_entropy_bits, num_codes};
use super::input::{Counted, Input, Promise};
use crate::tensor::{Tensor, safetensors_file};
use anyhow::{Context, ensure};
use std::io::Cursor;
use std::thread;
use wcodec::checkpoint::{ImportOptions, Source, import_into};
use wcodec::{Effort, Limits, Reader, Tool};

const ZSTD_LEVEL: i32 = 19;
const XZ_LEVEL: u32 = 9;
pub(super) const FILE_NAME: &str = "model.safetensors";

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method {
    pub(crate) effort: Effort,
    /// Whether xz has its turn: it is slow.
    pub(crate) xz: bool,
}

/// One line of the table: bits per weight, or per element.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) promises: Vec<Promise>,
    pub(crate) weights: u64,
    pub(crate) raw: f64,
    /// Each tool alone.
    pub(crate) alone: Vec<(Tool, f64)>,
    /// The encoder's own choice.
    pub(crate) choice: f64,
    /// The same, as a whole container.
    pub(crate) file: f64,
    /// Of inputs with codes of at most 8 bits: the choice's payloads of those tensors and their entropy, per code.
    pub(crate) codes: Option<Codes>,
    pub(crate) zstd: f64,
    pub(crate) xz: Option<f64>,
}

impl Row {
    /// The tool that is best alone, the first of equals.
    pub(crate) fn best_alone(&self) -> Option<(Tool, f64)> {
        let tools = self.alone.iter().copied();
        tools.min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Bits per code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Codes {
    pub(crate) coded: f64,
    pub(crate) entropy: f64,
}

/// Sizes of one container, in bytes.
struct Encoded {
    file: u64,
    payloads: u64,
    /// Payloads of the tensors with codes of at most 8 bits.
    codes: u64,
}

impl Encoded {
    fn counted(&self, counted: Counted) -> u64 {
        match counted {
            Counted::File => self.file,
            Counted::Payloads => self.payloads,
        }
    }
}

/// Measures an input. Everything that is counted was decoded and compared.
///
/// # Errors
///
/// If a codec fails, or does not give the bytes back.
pub(crate) fn measure(input: &Input, method: Method) -> anyhow::Result<Row> {
    let source = safetensors_file(&input.tensors)?;
    let raw: Vec<&[u8]> = input.tensors.iter().map(|tensor| &*tensor.bytes).collect();
    let raw = raw.concat();
    let bits = |bytes: u64| 8.0 * bytes as f64 / input.weights as f64;
    let encode = |only| encode(&input.tensors, &source, method.effort, only);
    thread::scope(|scope| {
        let zstd = scope.spawn(|| zstd_bytes(&raw));
        let xz = method.xz.then(|| scope.spawn(|| xz_bytes(&raw)));
        let choice = encode(None).context("the encoder's choice")?;
        let mut alone = Vec::new();
        for tool in Tool::ALL {
            let encoded = encode(Some(tool)).with_context(|| tool.name())?;
            alone.push((tool, bits(encoded.counted(input.counted))));
        }
        Ok(Row {
            raw: bits(input.raw_bytes()),
            alone,
            choice: bits(choice.counted(input.counted)),
            file: bits(choice.file),
            codes: codes(&input.tensors, choice.codes),
            zstd: bits(joined(zstd)?),
            xz: xz.map(joined).transpose()?.map(bits),
            weights: input.weights,
            group: input.group.clone(),
            name: input.name.clone(),
            promises: input.promises.clone(),
        })
    })
}

fn joined(thread: thread::ScopedJoinHandle<'_, anyhow::Result<u64>>) -> anyhow::Result<u64> {
    let result = thread.join();
    result.map_err(|_| anyhow::anyhow!("a peer's thread panicked"))?
}

/// Encodes and decodes everything.
fn encode(
    tensors: &[Tensor],
    source: &Vec<u8>,
    effort: Effort,
    only: Option<Tool>,
) -> anyhow::Result<Encoded> {
    let options = ImportOptions {
        effort,
        only,
        ..Default::default()
    };
    let mut container = Cursor::new(Vec::new());
    let source = Source::Safetensors {
        name: FILE_NAME,
        bytes: source,
    };
    let summary = import_into(source, &mut container, &options)?;
    let reader = Reader::new(container.into_inner(), &Limits::default())?;
    let mut encoded = Encoded {
        file: summary.file_bytes,
        payloads: 0,
        codes: 0,
    };
    let mut decoded = Vec::new();
    for tensor in tensors {
        let id = reader.find(&tensor.name);
        let id = id.with_context(|| format!("tensor `{}` is gone", tensor.name))?;
        decoded.clear();
        decoded.resize(tensor.bytes.len(), 0);
        reader.decode_bytes(id, &mut decoded)?;
        ensure!(
            decoded == tensor.bytes,
            "tensor `{}` came back changed",
            tensor.name
        );
        let payload_bytes = reader.info(id).coded_bytes();
        encoded.payloads += payload_bytes;
        if num_codes(tensor).is_some() {
            encoded.codes += payload_bytes;
        }
    }
    Ok(encoded)
}

/// Bits per code, if there are codes of at most 8 bits.
fn codes(tensors: &[Tensor], code_bytes: u64) -> Option<Codes> {
    let count: u64 = tensors.iter().filter_map(num_codes).sum();
    let entropy_bits: f64 = tensors.iter().map(code_entropy_bits).sum();
    (count > 0).then(|| Codes {
        coded: 8.0 * code_bytes as f64 / count as f64,
        entropy: entropy_bits / count as f64,
    })
}

fn zstd_bytes(raw: &[u8]) -> anyhow::Result<u64> {
    let coded = zstd::bulk::compress(raw, ZSTD_LEVEL)?;
    ensure!(
        zstd::bulk::decompress(&coded, raw.len())? == raw,
        "zstd does not give the bytes back"
    );
    Ok(coded.len() as u64)
}

fn xz_bytes(raw: &[u8]) -> anyhow::Result<u64> {
    let coded = liblzma::encode_all(raw, XZ_LEVEL)?;
    ensure!(
        liblzma::decode_all(&*coded)? == raw,
        "xz does not give the bytes back"
    );
    Ok(coded.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::structured;
    use super::*;

    #[test]
    fn a_mask_is_measured_by_everything() {
        let inputs = structured::inputs();
        let mut inputs = inputs.iter();
        let input = inputs.find(|input| input.name == "causal mask, U8");
        let method = Method {
            effort: Effort::Fast,
            xz: true,
        };
        let row = measure(input.unwrap(), method).unwrap();
        assert_eq!((row.raw, row.alone.len()), (8.0, Tool::ALL.len()));
        assert!(row.choice < row.file && row.file < row.raw);
        assert!(row.zstd < 0.1 && row.xz.unwrap() < 0.1);
        let codes = row.codes.unwrap();
        assert!((0.999..=1.0).contains(&codes.entropy) && codes.coded == row.choice);
    }
}
