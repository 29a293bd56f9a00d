//! How much is read, and how much a file holds beyond the bits that are coded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::content::{Content, content};
use support::forge::part::ForgedPart;
use support::forge::{Forge, ForgedFile, ForgedTensor, header_and_footer};
use support::naive_decoder::{self, Part};
use support::{Tensor, encode};
use wcodec::{Dtype, Effort, Limits, ReadAt, Reader};

/// Runs of bytes of a file that is not there otherwise; counts reads.
struct Sparse {
    len: u64,
    runs: Vec<(u64, Vec<u8>)>,
    reads: Arc<AtomicU64>,
    read_bytes: Arc<AtomicU64>,
}

impl ReadAt for Sparse {
    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read_bytes
            .fetch_add(buf.len() as u64, Ordering::Relaxed);
        let run = self
            .runs
            .iter()
            .find(|(start, bytes)| (*start..start + bytes.len() as u64).contains(&offset));
        let Some((start, bytes)) = run else {
            panic!(
                "{} bytes at {offset} are none of an inspection's business",
                buf.len()
            );
        };
        bytes.as_slice().read_exact_at(buf, offset - start)
    }
}

/// Names and shapes of Llama 2 7B.
fn llama() -> Vec<(String, Vec<u64>)> {
    let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![32_000, 4_096])];
    for layer in 0..32 {
        let mut add = |name: &str, shape: &[u64]| {
            tensors.push((
                format!("model.layers.{layer}.{name}.weight"),
                shape.to_vec(),
            ));
        };
        add("input_layernorm", &[4_096]);
        ["q", "k", "v", "o"]
            .iter()
            .for_each(|name| add(&format!("self_attn.{name}_proj"), &[4_096, 4_096]));
        add("post_attention_layernorm", &[4_096]);
        add("mlp.gate_proj", &[11_008, 4_096]);
        add("mlp.up_proj", &[11_008, 4_096]);
        add("mlp.down_proj", &[4_096, 11_008]);
    }
    tensors.push(("model.norm.weight".to_owned(), vec![4_096]));
    tensors.push(("lm_head.weight".to_owned(), vec![32_000, 4_096]));
    tensors
}

/// Takes the next `len` bytes of the file.
fn place(at: &mut u64, len: u64) -> u64 {
    let offset = at.next_multiple_of(64);
    *at = offset + len;
    offset
}

/// A BF16 tensor whose payloads, two thirds of its bytes, begin at `at`.
fn forged(name: &str, shape: &[u64], data_offset: u64, at: &mut u64) -> ForgedTensor {
    const PART_LEN: u64 = 32 << 20;
    let samples: u64 = shape.iter().product();
    let chunk_samples = if shape.last() == Some(&11_008) {
        33_024
    } else {
        samples.min(32_768)
    };
    let chunks_a_part = PART_LEN / (2 * chunk_samples);
    let num_chunks = samples.div_ceil(chunk_samples);
    let parts = (0..num_chunks.div_ceil(chunks_a_part)).map(|number| {
        let first_chunk = number * chunks_a_part;
        let chunks = chunks_a_part.min(num_chunks - first_chunk);
        let raw =
            2 * (samples.min((first_chunk + chunks) * chunk_samples) - first_chunk * chunk_samples);
        let len = raw * 2 / 3;
        ForgedPart::of(Part {
            method: 0,
            mapping: 2,
            symbol_bits: 8,
            stored_bits: 8,
            zero_bits: 0,
            first_chunk: u32::try_from(first_chunk).unwrap(),
            num_chunks: u32::try_from(chunks).unwrap(),
            offset: place(at, len),
            len,
            table_len: u32::try_from(16 * chunks + 300).unwrap(),
            crc: 1,
            samples: raw / 2,
        })
    });
    ForgedTensor {
        name: name.as_bytes().to_vec(),
        source: 0,
        dtype: Dtype::BF16 as u8,
        shape: shape.to_vec(),
        data_offset,
        chunk_samples: u32::try_from(chunk_samples).unwrap(),
        reconstruction: 0,
        duplicate_of: u32::MAX,
        digest: [7; 32],
        parts: parts.collect(),
    }
}

#[test]
fn inspecting_a_large_model_takes_three_small_reads() {
    let (mut at, mut data_len) = (128, 0);
    let mut tensors = Vec::new();
    for (name, shape) in llama() {
        tensors.push(forged(&name, &shape, data_len, &mut at));
        data_len += 2 * shape.iter().product::<u64>();
    }
    assert_eq!((tensors.len(), data_len), (291, 13_476_831_232));
    let file = |name: &str, offset, len, file_len| ForgedFile {
        name: name.as_bytes().to_vec(),
        bytes: vec![],
        offset,
        len,
        crc: 1,
        file_len,
    };
    let tokenizer = file("tokenizer.json", place(&mut at, 1_842_767), 1_842_767, 0);
    let source = file(
        "model.safetensors",
        place(&mut at, 35_000),
        35_000,
        35_000 + data_len,
    );
    let forge = Forge {
        sources: vec![source],
        attachments: vec![tokenizer],
        tensors,
        ..Forge::default()
    };
    let index = forge.index();
    let index_offset = at.next_multiple_of(64);
    println!("{} bytes of index for 291 tensors", index.len());
    assert!(index.len() <= 291 * 260, "{} bytes of index", index.len());

    let (header, footer) = header_and_footer(index_offset, &index);
    let (reads, read_bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let len = index_offset + index.len() as u64 + 16;
    let source = Sparse {
        len,
        runs: vec![(0, header), (index_offset, index), (len - 16, footer)],
        reads: Arc::clone(&reads),
        read_bytes: Arc::clone(&read_bytes),
    };
    let reader = Reader::new(source, &Limits::default()).expect("a valid index");
    assert_eq!(reader.tensors().len(), 291);
    assert!(reads.load(Ordering::Relaxed) <= 3);
    assert!(read_bytes.load(Ordering::Relaxed) <= 256 << 10);
}

/// A whole file in memory that is not lent but read.
struct Counting {
    bytes: Vec<u8>,
    read_bytes: Arc<AtomicU64>,
}

impl ReadAt for Counting {
    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_bytes
            .fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.bytes.as_slice().read_exact_at(buf, offset)
    }
}

#[test]
fn a_tensor_or_a_few_rows_are_read_without_the_rest() {
    let weights = |name, seed| {
        Tensor::new(
            name,
            Dtype::BF16,
            &[1_000, 512],
            content(Content::Weights, Dtype::BF16, 512_000, seed),
        )
    };
    let tensors = [weights("a", 1), weights("b", 2), weights("c", 3)];
    let encoded = encode(&tensors, Effort::Default);
    let read_bytes = Arc::new(AtomicU64::new(0));
    let bytes = std::fs::read(&encoded.file).unwrap();
    let source = Counting {
        bytes,
        read_bytes: Arc::clone(&read_bytes),
    };
    let reader = Reader::new(source, &Limits::default()).unwrap();
    let id = reader.find("b").unwrap();
    let coded = reader.info(id).coded_bytes();

    read_bytes.store(0, Ordering::Relaxed);
    let mut whole = vec![0; 1_024_000];
    reader.decode_bytes(id, &mut whole).unwrap();
    assert!(whole == tensors[1].bytes);
    let read = read_bytes.swap(0, Ordering::Relaxed);
    assert!(read <= coded, "{read} bytes read of a tensor of {coded}");

    let mut row = vec![0; 1_024];
    reader.decode_rows(id, 700..701, &mut row).unwrap();
    assert!(row == whole[700 * 1_024..701 * 1_024]);
    let read = read_bytes.swap(0, Ordering::Relaxed);
    assert!(
        read <= coded / 10,
        "{read} bytes read for one row of a tensor of {coded}"
    );

    reader.decode_rows(id, 700..700, &mut []).unwrap();
    assert_eq!(read_bytes.load(Ordering::Relaxed), 0, "no row");
}

/// Everything but stored bits and words: header, index, chunk tables, states, padding, footer.
#[test]
fn overhead_stays_small() {
    const ELEMS: u64 = 2048 * 1024;
    let weights = content(Content::Weights, Dtype::BF16, ELEMS, 1);
    let encoded = encode(
        &[Tensor::new("w", Dtype::BF16, &[2048, 1024], weights)],
        Effort::Default,
    );
    let file = std::fs::read(&encoded.file).unwrap();
    let container = naive_decoder::parse(&file, u64::MAX).expect("a valid file");
    let mut useful_bits = 0;
    for tensor in &container.tensors {
        for part in &tensor.parts {
            let payload = naive_decoder::payload_of(&file, part);
            let table = &payload[payload.len() - usize::try_from(part.table_len).unwrap()..];
            let (chunks, _) = naive_decoder::read_table(table, tensor, part).unwrap();
            assert!(
                part.method == 0 && chunks.iter().all(|chunk| chunk.mode == 0),
                "all of it is coded"
            );
            useful_bits += part.samples * u64::from(part.stored_bits);
            useful_bits += chunks
                .iter()
                .map(|chunk| 8 * (u64::from(chunk.coded_len) - 128))
                .sum::<u64>();
        }
    }
    let overhead = (8 * file.len() as u64 - useful_bits) as f64 / ELEMS as f64;
    println!("overhead: {overhead:.4} bits a weight");
    assert!(overhead <= 0.08, "{overhead:.4} bits a weight");
}
