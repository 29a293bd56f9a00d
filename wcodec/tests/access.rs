//! Threads, sources of bytes, ranges of rows and old contents of buffers change nothing of what is decoded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::content::{Content, content};
use support::{Encoded, Tensor, decode, encode, weights};
use wcodec::container::FileSource;
use wcodec::{Dtype, Effort, Limits, ReadAt, Reader};

fn open(bytes: Vec<u8>) -> Reader {
    Reader::new(bytes, &Limits::default()).expect("the file opens")
}

/// One BF16 matrix, one F32 matrix of rows that are no multiple of 32, and bytes: a few chunks each.
fn matrices() -> (Vec<Tensor>, Encoded) {
    let weights = |name, dtype, shape: &[u64], seed| {
        Tensor::new(
            name,
            dtype,
            shape,
            content(Content::Weights, dtype, shape.iter().product(), seed),
        )
    };
    let mixed = content(Content::Mixed, Dtype::U8, 300 * 401, 3);
    let tensors = vec![
        weights("a", Dtype::BF16, &[200, 512], 1),
        weights("b", Dtype::F32, &[7, 11, 1001], 2),
        Tensor::new("c", Dtype::U8, &[300, 401], mixed),
        Tensor::new(
            "d",
            Dtype::F16,
            &[50, 4],
            content(Content::Zeros, Dtype::F16, 200, 1),
        ),
        Tensor::new(
            "e",
            Dtype::I64,
            &[9, 5],
            content(Content::Noise, Dtype::I64, 45, 4),
        ),
    ];
    let encoded = encode(&tensors, Effort::Default);
    (tensors, encoded)
}

#[test]
fn threads_and_old_contents_of_the_buffer_change_nothing() {
    let (tensors, encoded) = matrices();
    let reader = Reader::open(&encoded.file).unwrap();
    for num_threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(num_threads)
            .build()
            .unwrap();
        for tensor in &tensors {
            let id = reader.find(&tensor.name).unwrap();
            for dirt in [0, 0xff] {
                let mut bytes = vec![dirt; tensor.bytes.len()];
                pool.install(|| reader.decode_bytes(id, &mut bytes))
                    .unwrap();
                assert!(
                    bytes == tensor.bytes,
                    "{num_threads} threads, {}",
                    tensor.name
                );
            }
        }
    }
}

#[test]
fn rows_are_slices_of_the_whole() {
    let (tensors, encoded) = matrices();
    let (from_file, from_memory) = (
        Reader::open(&encoded.file).unwrap(),
        open(std::fs::read(&encoded.file).unwrap()),
    );
    for tensor in &tensors {
        let (id, num_rows) = (from_file.find(&tensor.name).unwrap(), tensor.shape[0]);
        let row_len = tensor.bytes.len() / usize::try_from(num_rows).unwrap();
        // Every range of a small matrix; of a large one those around the ends of chunks and parts.
        let step = if num_rows < 60 { 1 } else { 23 };
        for first in (0..=num_rows).step_by(step) {
            for end in (first..=num_rows).step_by(step).chain([num_rows]) {
                let expected = &tensor.bytes[usize::try_from(first).unwrap() * row_len..]
                    [..usize::try_from(end - first).unwrap() * row_len];
                let mut rows = vec![0xaa; expected.len()];
                from_memory.decode_rows(id, first..end, &mut rows).unwrap();
                assert!(rows == expected, "{}: {first}..{end}", tensor.name);
                rows.fill(0x55);
                from_file.decode_rows(id, first..end, &mut rows).unwrap();
                assert!(
                    rows == expected,
                    "{}: {first}..{end} from the file",
                    tensor.name
                );
            }
        }
    }
}

/// A row range outside the tensor and a buffer of a wrong length are the caller's mistakes, whatever the shape.
#[test]
fn wrong_rows_and_buffers_are_refused() {
    let shapes: [&[u64]; 4] = [&[3, 4], &[], &[0, 5], &[0, 1 << 40, 1 << 40]];
    let make = |(number, shape): (usize, &&[u64])| Tensor {
        name: format!("t{number}"),
        dtype: Dtype::F32,
        shape: shape.to_vec(),
        bytes: vec![7; [48, 4, 0, 0][number]],
    };
    let tensors: Vec<Tensor> = shapes.iter().enumerate().map(make).collect();
    let reader = Reader::open(encode(&tensors, Effort::Default).file).unwrap();
    let ids: Vec<_> = tensors
        .iter()
        .map(|tensor| reader.find(&tensor.name).unwrap())
        .collect();
    reader.decode_rows(ids[0], 1..3, &mut [0; 32]).unwrap();
    assert!(reader.decode_rows(ids[0], 1..3, &mut [0; 31]).is_err());
    assert!(reader.decode_rows(ids[0], 1..4, &mut [0; 48]).is_err());
    #[expect(clippy::reversed_empty_ranges, reason = "a caller's mistake")]
    let backwards = reader.decode_rows(ids[0], 2..1, &mut []);
    assert!(backwards.is_err());
    assert!(reader.decode_rows(ids[1], 0..1, &mut [0; 4]).is_err());
    reader.decode_rows(ids[2], 0..0, &mut []).unwrap();
    assert!(reader.decode_rows(ids[2], 0..1, &mut [0; 20]).is_err());
    // Its rows have 2^80 elements; that it has none of them must not matter.
    let _ = reader.decode_rows(ids[3], 0..0, &mut []);
    reader.decode_bytes(ids[3], &mut []).unwrap();
    assert!(reader.decode_bytes(ids[0], &mut [0; 47]).is_err());
    assert!(reader.decode_floats(ids[0], &mut [0f32; 13]).is_err());
}

/// Reads nothing where it lies, and counts.
struct Counting {
    bytes: Vec<u8>,
    read_bytes: Arc<AtomicU64>,
}

impl ReadAt for Counting {
    fn byte_len(&self) -> std::io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.read_bytes
            .fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.bytes.as_slice().read_exact_at(buf, offset)
    }
}

#[test]
fn every_source_of_bytes_gives_the_same() {
    let (tensors, encoded) = matrices();
    let bytes = std::fs::read(&encoded.file).unwrap();
    let read_bytes = Arc::new(AtomicU64::new(0));
    let counting = Counting {
        bytes: bytes.clone(),
        read_bytes: Arc::clone(&read_bytes),
    };
    let file = FileSource::new(std::fs::File::open(&encoded.file).unwrap());
    let readers = [
        open(bytes.clone()),
        Reader::new(Arc::<[u8]>::from(bytes.clone()), &Limits::default()).unwrap(),
        Reader::new(file, &Limits::default()).unwrap(),
        Reader::new(counting, &Limits::default()).unwrap(),
    ];
    for reader in &readers {
        for tensor in &tensors {
            assert!(
                decode(reader, &tensor.name).unwrap() == tensor.bytes,
                "{}",
                tensor.name
            );
        }
    }
    let read_bytes = read_bytes.load(Ordering::Relaxed);
    assert!(
        read_bytes <= bytes.len() as u64,
        "{read_bytes} bytes read of {}",
        bytes.len()
    );
}

/// Leaving out the lower planes is cutting off the lower bits: no further from the exact values than it says.
#[test]
fn the_upper_planes_alone_are_near() {
    for dtype in [Dtype::BF16, Dtype::F16, Dtype::F32] {
        let bytes = weights(dtype, 300 * 200, 0.03, 7);
        let tensors = [Tensor::new("w", dtype, &[300, 200], bytes)];
        let encoded = encode(&tensors, Effort::Default);
        let reader = Reader::open(&encoded.file).unwrap();
        let id = reader.find("w").unwrap();
        let mut exact = vec![0f32; 300 * 200];
        reader.decode_floats(id, &mut exact).unwrap();
        let most = reader.info(id).truncation(0).planes_left_out;
        assert!(most > 0, "{dtype}");
        let mut errors = Vec::new();
        for planes in 0..=most + 1 {
            let mut near = vec![0f32; exact.len()];
            let truncation = reader
                .decode_floats_truncated(id, planes, &mut near)
                .unwrap();
            assert_eq!(truncation, reader.info(id).truncation(planes));
            let smallest_normal = if dtype == Dtype::F16 {
                6.2e-5
            } else {
                f32::MIN_POSITIVE
            };
            let worst = exact.iter().zip(&near).map(|(exact, near)| {
                f64::from((exact - near).abs() / exact.abs().max(smallest_normal))
            });
            let worst = worst.fold(0.0, f64::max);
            assert!(
                worst <= truncation.relative_error,
                "{dtype}, {planes}: {worst}"
            );
            assert!(truncation.bytes_left_out < reader.info(id).coded_bytes());
            errors.push(worst);
        }
        assert!(errors.is_sorted_by(|a, b| a >= b), "{dtype}: {errors:?}");
        assert_eq!(errors[most], 0.0, "{dtype}");
        assert!(errors[0] > 0.5, "{dtype}: {errors:?}");
    }
}
