//! What the fuzz targets do with their bytes. Each function panics only if the library is wrong.

use super::forge::{Forge, header_and_footer};
use super::{Random, Tensor, encode_with, naive_decoder as naive};
use std::ops::Range;
use wcodec::{Dtype, Effort, Limits, Reader, Tool, checkpoint};

/// Files to start from.
pub(crate) const GOLDEN: [&[u8]; 3] = [
    include_bytes!("../golden/v2_example.wcodec"),
    include_bytes!("../golden/v2_modes.wcodec"),
    include_bytes!("../golden/v2_tools.wcodec"),
];

/// Longest tensor that is decoded.
const MAX_TENSOR_LEN: u64 = 1 << 20;

fn limits() -> Limits {
    Limits {
        max_tensor_bytes: MAX_TENSOR_LEN,
        ..Limits::default()
    }
}

/// Opens the bytes, asks for everything and verifies. Whether they opened.
pub(crate) fn decode_any(bytes: &[u8]) -> bool {
    let Ok(reader) = Reader::new(bytes.to_vec(), &limits()) else {
        return false;
    };
    for id in reader.ids() {
        let info = reader.info(id);
        let mut out = vec![0xaa; usize::try_from(info.raw_bytes).unwrap()];
        let whole = reader.decode_bytes(id, &mut out).is_ok();
        let num_rows = info.shape.first().copied().unwrap_or(0);
        let len = out.len();
        if let Some(row_len) = len.checked_div(usize::try_from(num_rows).unwrap_or(0)) {
            let mut row = vec![0x55; row_len];
            let decoded = reader
                .decode_rows(id, num_rows - 1..num_rows, &mut row)
                .is_ok();
            assert!(
                !(decoded && whole) || row == out[len - row_len..],
                "the last row"
            );
        }
        let mut floats = vec![0f32; usize::try_from(info.num_elems()).unwrap()];
        let _ = reader.decode_floats(id, &mut floats);
        let _ = info.tools();
    }
    for attachment in reader.attachments() {
        let _ = reader.attachment(&attachment.name);
    }
    let _ = checkpoint::verify(&reader, &checkpoint::VerifyOptions::default());
    true
}

/// Both decoders agree on whether the file is valid, and on what it holds.
pub(crate) fn differential(bytes: &[u8]) {
    let naive = naive::decode(bytes, MAX_TENSOR_LEN);
    let verified = Reader::new(bytes.to_vec(), &limits()).and_then(|reader| {
        checkpoint::verify(&reader, &checkpoint::VerifyOptions::default())?;
        Ok(reader)
    });
    match (naive, verified) {
        (Ok(tensors), Ok(reader)) => {
            for (name, expected) in tensors {
                let found = super::decode(&reader, &name).expect("it was verified");
                assert!(found == expected, "`{name}` differs");
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => panic!("only the library refuses it: {error}"),
        (Err(rule), Ok(_)) => panic!("only the naive decoder refuses it: {rule}"),
    }
}

/// Makes header, footer and every checksum that can be found fit the bytes.
pub(crate) fn repair(file: &mut [u8]) {
    if file.len() < 128 + 16 {
        return;
    }
    let footer = file.len() - 16;
    let index_offset = u64::from_le_bytes(file[16..24].try_into().unwrap());
    let index_offset = usize::try_from(index_offset).unwrap_or(usize::MAX);
    let start = if index_offset % 64 == 0 && (128..=footer).contains(&index_offset) {
        index_offset
    } else {
        footer / 2 / 64 * 64
    };
    let start = start.max(128);
    if let Ok(mut container) = naive::parse_index(&file[start..footer], u64::MAX) {
        repair_body(&mut file[..start], &mut container);
        let index = Forge::of(&container).index();
        file[start..footer].copy_from_slice(&index);
    }
    let (header, end) = header_and_footer(start as u64, &file[start..footer]);
    file[..128].copy_from_slice(&header);
    file[footer..].copy_from_slice(&end);
}

/// The bytes of a region, if it lies in the file.
fn range(file: &[u8], offset: u64, len: u64) -> Option<Range<usize>> {
    let range = usize::try_from(offset).ok()?..usize::try_from(offset.checked_add(len)?).ok()?;
    (range.end <= file.len()).then_some(range)
}

fn repair_body(file: &mut [u8], container: &mut naive::Container) {
    for source in &mut container.sources {
        if let Some(range) = range(file, source.offset, source.len) {
            source.crc = crc32c::crc32c(&file[range]);
        }
    }
    for attachment in &mut container.attachments {
        if let Some(range) = range(file, attachment.offset, attachment.len) {
            attachment.crc = crc32c::crc32c(&file[range]);
        }
    }
    for tensor in &mut container.tensors {
        for number in 0..tensor.parts.len() {
            let part = tensor.parts[number];
            let Some(range) = range(file, part.offset, part.len) else {
                continue;
            };
            let payload = &mut file[range];
            let table_at = payload
                .len()
                .saturating_sub(usize::try_from(part.table_len).unwrap());
            if part.has_chunks() {
                repair_chunks(payload, table_at, tensor, &part);
            }
            let checked = if part.has_chunks() {
                &payload[table_at..]
            } else {
                payload
            };
            tensor.parts[number].crc = crc32c::crc32c(checked);
        }
    }
}

fn repair_chunks(payload: &mut [u8], table_at: usize, tensor: &naive::Tensor, part: &naive::Part) {
    let copy = payload.to_vec();
    let Ok((chunks, _)) = naive::read_table(&copy[table_at..], tensor, part) else {
        return;
    };
    let Ok(slices) = naive::chunk_slices(&copy, part, &chunks) else {
        return;
    };
    for (number, naive::Slices { coded, planes }) in slices.into_iter().enumerate() {
        let entry = &mut payload[table_at + 16 * number..][..16];
        entry[8..12].copy_from_slice(&crc32c::crc32c(coded).to_le_bytes());
        if entry[0] == 0 && part.method != 3 {
            entry[12..].copy_from_slice(&crc32c::crc32c(&planes.concat()).to_le_bytes());
        }
    }
}

/// The bytes as the frequency tables of a chunked part.
pub(crate) fn rans_tables(bytes: &[u8]) {
    for file in GOLDEN {
        let mut forge = Forge::open(file);
        let mut parts = forge
            .tensors
            .iter_mut()
            .flat_map(|tensor| &mut tensor.parts);
        // Of parts with tools, too: their record follows the tables.
        let part = parts
            .find(|part| [0, 3].contains(&part.fields.method))
            .expect("a part with tables");
        part.tables = bytes.to_vec();
        forge.lay_out();
        let file = forge.seal();
        decode_any(&file);
        differential(&file);
    }
}

/// The bytes as the index of a file with payloads.
pub(crate) fn index(bytes: &[u8]) {
    let file = GOLDEN[1];
    let index_offset = u64::from_le_bytes(file[16..24].try_into().unwrap());
    let body = &file[..usize::try_from(index_offset).unwrap()];
    let mut file = [body, bytes, &[0; 16]].concat();
    repair(&mut file);
    decode_any(&file);
    differential(&file);
}

/// A tensor there and back: dtype, effort and tool by number, a shape of two dimensions, as many bytes as there are.
pub(crate) fn roundtrip(dtype: u8, effort: u8, rows: u8, bytes: &[u8]) {
    let dtype = Dtype::ALL[usize::from(dtype) % Dtype::ALL.len()];
    let only = Tool::ALL.get(usize::from(effort / 3 % 32)).copied();
    let effort = [Effort::Fast, Effort::Default, Effort::Max][usize::from(effort % 3)];
    let rows = u64::from(rows.max(1));
    // Whole rows of four elements or a multiple of that: whole bytes for every dtype.
    let columns = bytes.len() as u64 * 8 / dtype.bits() / rows / 4 * 4;
    let len = dtype.bytes_of(rows * columns).expect("whole bytes");
    let bytes = bytes[..usize::try_from(len).unwrap()].to_vec();
    let tensor = Tensor::new("t", dtype, &[rows, columns], bytes);
    let file = encode_with(std::slice::from_ref(&tensor), only, effort);
    let tensors = naive::decode(&file, u64::MAX).expect("a valid file");
    assert!(tensors[0].1 == tensor.bytes, "the naive decoder differs");
    let reader = Reader::new(file, &Limits::default()).expect("a valid file");
    assert!(super::decode(&reader, "t").expect("it decodes") == tensor.bytes);
}

/// Changes a few bits, bytes or runs.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.bits() % 4 {
        let at = usize::try_from(random.bits() % bytes.len().max(1) as u64).unwrap();
        let (kind, value) = (random.bits() % 6, random.bits().to_le_bytes());
        match (kind, bytes.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << (value[0] % 8),
            (1, Some(byte)) => *byte = value[7],
            (2, Some(byte)) => *byte = byte.wrapping_add(1),
            (3, Some(_)) => {
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill(value[7] * (value[0] & 1));
            }
            (4, Some(_)) if value[1] < 32 => drop(bytes.remove(at)),
            (5, _) if value[1] < 32 => bytes.insert(at, value[7]),
            _ => {}
        }
    }
}
