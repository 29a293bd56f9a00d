//! Plans of parts for other decoders take memory as the file does, whatever its tables are.

use super::allocation::measure;
use super::support::forge::Forge;
use super::support::forge::part::{ForgedChunk, ForgedPart};
use super::support::{Tensor, encode_with, naive_decoder as naive};
use wcodec::{Dtype, Effort, Limits, Reader, Tool};

/// What [`wcodec::device::Plan::memory_bytes`] promises.
const BYTES_OF_PAYLOAD: u64 = 24;
const KIB_OF_RAW: u64 = 1;
const CONSTANT_BYTES: u64 = 512;
/// Of what is held while a part is planned: tables of 5 bytes with 256 values each, and all values by their codes.
const PLANNING_BYTES: usize = 512 << 10;

/// Parts that are all alike.
struct Filling {
    label: &'static str,
    method: u8,
    symbol_bits: u8,
    num_chunks: u32,
    /// With their number.
    tables: Vec<u8>,
    /// Of tools.
    record: Vec<u8>,
}

/// As many of a table as a part may hold.
fn most(table: &[u8]) -> Vec<u8> {
    [&256u16.to_le_bytes(), table.repeat(256).as_slice()].concat()
}

/// A table of 256 buckets for the values 0, 2, 4 and so on.
fn table_of(num: u8) -> Vec<u8> {
    let mut table = vec![8, num];
    (0..num).for_each(|_| table.extend([0, 0])); // runs of one value
    let each = 4096 / u16::from(num);
    let last = 4096 - each * u16::from(num - 1);
    let freqs = std::iter::repeat_n(each, usize::from(num) - 1).chain([last]);
    for less_one in freqs.map(|freq| freq - 1) {
        match less_one.to_le_bytes() {
            [low @ 0..0x80, 0] => table.push(low),
            [low, _] => table.extend([low | 0x80, (less_one >> 7).to_le_bytes()[0]]),
        }
    }
    table
}

fn fillings() -> [Filling; 7] {
    let plain = |label, tables: &[u8]| Filling {
        label,
        method: 0,
        symbol_bits: 8,
        num_chunks: 1,
        tables: most(tables),
        record: vec![],
    };
    let packed = |label, book: &[u8]| Filling {
        method: 4,
        symbol_bits: 9,
        ..plain(label, book)
    };
    // Classes are the 256 values of a palette; the context of a unit is its column of 256.
    let mut record = vec![16, 0, 0, 0, 0, 1, 0, 0, 2, 255, 0];
    record.extend((0..256u16).flat_map(u16::to_le_bytes));
    record.push(3);
    record.extend(0..=u8::MAX);
    [
        plain("one symbol", &table_of(1)),
        plain("two symbols", &table_of(2)),
        plain("many symbols", &table_of(100)),
        packed(
            "255 values, without room for a code more",
            &[8, 1, 0x81, 2, 0xfe, 1],
        ),
        packed("two values", &[8, 2, 0, 0, 5, 0]),
        Filling {
            method: 3,
            record,
            ..plain("a table for each column", &table_of(1))
        },
        Filling {
            num_chunks: 3000,
            ..plain("short chunks", &table_of(1))
        },
    ]
}

/// A file of one tensor of so many parts, each of constant chunks.
fn file(filling: &Filling, num_parts: u32) -> Vec<u8> {
    // A payload must be shorter than what it decodes to.
    let tables = u32::try_from(filling.tables.len() + filling.record.len()).unwrap();
    let chunk_samples = tables / 2 / filling.num_chunks + 20;
    let num_chunks = filling.num_chunks * num_parts;
    let samples = u64::from(chunk_samples * num_chunks);
    let bytes = vec![0; usize::try_from(2 * samples).unwrap()];
    let tensor = Tensor::new("w", Dtype::BF16, &[samples], bytes);
    let mut forge = Forge::open(&encode_with(&[tensor], Some(Tool::Stored), Effort::Fast));
    let fields = forge.tensors[0].parts[0].fields;
    let chunk = ForgedChunk {
        entry: naive::Chunk {
            mode: 2,
            table: 0,
            escapes: 0,
            coded_len: 0,
            coded_crc: 0,
            planes_crc: 0,
            samples: 0,
        },
        coded: vec![0x80, 0x3f],
        coded_padding: 0,
        planes: vec![],
    };
    let part = |number| {
        let mut part = ForgedPart::of(naive::Part {
            method: filling.method,
            symbol_bits: filling.symbol_bits,
            stored_bits: if filling.method == 3 { 0 } else { 7 },
            first_chunk: number * filling.num_chunks,
            num_chunks: filling.num_chunks,
            ..fields
        });
        part.tables.clone_from(&filling.tables);
        part.record.clone_from(&filling.record);
        part.chunks = vec![chunk.clone(); usize::try_from(filling.num_chunks).unwrap()];
        part
    };
    forge.tensors[0].chunk_samples = chunk_samples;
    forge.tensors[0].parts = (0..num_parts).map(part).collect();
    forge.lay_out();
    forge.seal()
}

/// Plans every part; what all plans take together, and what they say that they take.
fn plan_all(label: &str, file: Vec<u8>) -> (usize, usize) {
    let bytes = file.clone();
    let reader =
        Reader::new(file, &Limits::default()).unwrap_or_else(|error| panic!("{label}: {error}"));
    let id = reader.find("w").unwrap();
    let parts = reader.parts(id);
    let (mut plans, mut all, mut said) = (Vec::with_capacity(parts.len()), 0, 0);
    for (number, part) in parts.into_iter().enumerate() {
        let [from, to] = [part.file.start, part.file.end].map(|at| usize::try_from(at).unwrap());
        let plan = || reader.plan_part(id, number, &bytes[from..to]);
        let (planned, taken) = measure(plan);
        let plan = planned.unwrap_or_else(|error| panic!("{label}, part {number}: {error}"));
        let (memory, held) = (plan.memory_bytes(), taken.held + size_of_val(&plan));
        assert_eq!(
            memory, held,
            "{label}, part {number}: what it says, and what it takes"
        );
        let most = BYTES_OF_PAYLOAD * (to - from) as u64
            + KIB_OF_RAW * ((part.raw.end - part.raw.start) >> 10)
            + CONSTANT_BYTES;
        assert!(
            memory as u64 <= most,
            "{label}, part {number}: {memory} bytes of {}",
            to - from
        );
        assert!(
            taken.peak <= taken.held + PLANNING_BYTES,
            "{label}: {} bytes to plan it",
            taken.peak
        );
        (all, said) = (all + held, said + memory);
        plans.push(plan);
    }
    (all, said)
}

#[test]
fn plans_of_the_most_tables_take_a_bounded_multiple_of_the_file() {
    for filling in fillings() {
        let num_parts = if filling.num_chunks > 1 { 5 } else { 500 };
        let file = file(&filling, num_parts);
        let (len, label) = (file.len(), filling.label);
        let (all, said) = plan_all(label, file);
        assert_eq!(all, said, "{label}");
        assert!(
            all < 24 * len,
            "{label}: plans of {all} bytes for a file of {len}"
        );
    }
}

/// Parts of one sample's bytes, which decode to as much as a part may.
#[test]
fn plans_of_constants_take_little_of_what_they_decode_to() {
    let bytes = vec![7; 128 << 20];
    for chunk_samples in [65_536, 40_000, 33_000] {
        let tensor = Tensor::new("w", Dtype::U8, &[bytes.len() as u64], bytes.clone());
        let mut forge = Forge::open(&encode_with(&[tensor], None, Effort::Fast));
        forge.tensors[0].parts.truncate(1);
        forge.tensors[0].chunk_samples = chunk_samples;
        let num_chunks = u32::try_from(bytes.len()).unwrap().div_ceil(chunk_samples);
        forge.part("w").fields.num_chunks = num_chunks;
        forge.lay_out();
        let (all, _) = plan_all("constant", forge.seal());
        assert!(all > 24 * 2048, "a chunk each, {all} bytes");
    }
}
