//! A slow decoder written from FORMAT.md alone: it shares no code with the library and checks every MUST.
//!
//! `parse` covers sections 2 and 3 (`index.rs`), `decode` sections 4 to 6: parts and chunks (`payload.rs`, `tools.rs`),
//! samples (`samples.rs`, `classes.rs`, `numbers.rs`, `transform.rs`), entropy coding (`rans.rs`, `contexts.rs`,
//! `packed.rs`).
#![allow(dead_code, reason = "each user needs a part of it")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "bounds are checked before, or the low bits are meant"
)]

mod classes;
mod contexts;
mod fields;
mod index;
mod numbers;
mod packed;
mod payload;
mod rans;
mod recurrence;
mod samples;
mod tools;
pub(crate) mod transform;

use fields::{Bits, Fields};
pub(crate) use payload::{Chunk, Slices, chunk_slices, read_table};
pub(crate) use rans::{Table, encode, parse_tables};
pub(crate) use tools::Record;

/// Why a file is refused.
pub(crate) type Refusal = String;

/// `Ok` if the rule holds.
fn must(holds: bool, rule: &str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

/// Section 2 and 3 of a file.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) index_offset: u64,
    pub(crate) index_len: u64,
    pub(crate) sources: Vec<Source>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) tensors: Vec<Tensor>,
}

#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
    pub(crate) file_len: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) source: u32,
    pub(crate) dtype: u8,
    pub(crate) shape: Vec<u64>,
    pub(crate) data_offset: u64,
    pub(crate) chunk_samples: u32,
    pub(crate) duplicate_of: Option<u32>,
    pub(crate) digest: [u8; 32],
    pub(crate) parts: Vec<Part>,
    /// Length of its bytes, from dtype and shape.
    pub(crate) raw_len: u64,
    /// Bytes of one sample, from the dtype.
    pub(crate) sample_len: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) method: u8,
    pub(crate) mapping: u8,
    pub(crate) symbol_bits: u8,
    pub(crate) stored_bits: u8,
    pub(crate) zero_bits: u8,
    pub(crate) first_chunk: u32,
    pub(crate) num_chunks: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) table_len: u32,
    pub(crate) crc: u32,
    /// Samples it decodes to.
    pub(crate) samples: u64,
}

impl Part {
    /// Chunks and a chunk table, not bytes as they are.
    pub(crate) fn has_chunks(&self) -> bool {
        !matches!(self.method, 1 | 2)
    }
}

/// Header, footer, index, regions and padding: sections 2 and 3. Tensors over `max_tensor_len` bytes are refused.
pub(crate) fn parse(file: &[u8], max_tensor_len: u64) -> Result<Container, Refusal> {
    must(file.starts_with(b"\x89WCDC\r\n\n"), "magic")?;
    must(
        file.len() >= 128 + 16,
        "the file is shorter than header and footer",
    )?;
    let (header, footer) = (&file[..128], &file[file.len() - 16..]);
    let mut fields = Fields {
        bytes: &header[8..],
    };
    must(fields.u16()? == 2, "version")?;
    must(
        crc32c::crc32c(&header[..124]).to_le_bytes() == header[124..],
        "checksum of the header",
    )?;
    must(fields.u16()? == 128, "length of the header")?;
    fields.reserved(4)?;
    let (index_offset, index_len) = (fields.u64()?, fields.u64()?);
    let index_crc = fields.u32()?;
    fields.reserved(4)?;
    must(fields.u64()? == file.len() as u64, "length of the file")?;
    fields.reserved(32)?;
    fields.reserved(44)?;
    must(index_offset >= 128, "index_offset")?;
    let end = u128::from(index_offset) + u128::from(index_len) + 16;
    must(
        end == file.len() as u128,
        "the index ends where the footer begins",
    )?;
    let expected = [&header[40..48], &header[124..], b"WCDE"].concat();
    must(footer == expected, "footer")?;
    let index = &file[index_offset as usize..file.len() - 16];
    must(crc32c::crc32c(index) == index_crc, "checksum of the index")?;
    let container = index::read(index, (index_offset, index_len), max_tensor_len)?;
    check_regions(file, &container)?;
    for Source {
        offset, len, crc, ..
    } in &container.sources
    {
        must(
            crc32c::crc32c(slice(file, *offset, *len)) == *crc,
            "checksum of a safetensors header",
        )?;
    }
    for Attachment {
        offset, len, crc, ..
    } in &container.attachments
    {
        must(
            crc32c::crc32c(slice(file, *offset, *len)) == *crc,
            "checksum of an attachment",
        )?;
    }
    Ok(container)
}

/// The index alone, whatever lies elsewhere and whatever the checksums.
pub(crate) fn parse_index(bytes: &[u8], max_tensor_len: u64) -> Result<Container, Refusal> {
    index::read(bytes, (0, bytes.len() as u64), max_tensor_len)
}

/// Offset and length of each region, the index included.
fn regions(container: &Container) -> Vec<(u64, u64)> {
    let parts = container
        .tensors
        .iter()
        .flat_map(|tensor| &tensor.parts)
        .map(|part| (part.offset, part.len));
    let attachments = container
        .attachments
        .iter()
        .map(|attachment| (attachment.offset, attachment.len));
    let sources = container
        .sources
        .iter()
        .map(|source| (source.offset, source.len));
    let index = (container.index_offset, container.index_len);
    parts
        .chain(attachments)
        .chain(sources)
        .chain([index])
        .collect()
}

/// Section 2.3.
fn check_regions(file: &[u8], container: &Container) -> Result<(), Refusal> {
    let mut regions = regions(container);
    regions.sort_unstable();
    let footer = file.len() as u64 - 16;
    let mut at = 128;
    for (offset, len) in regions {
        must(offset % 64 == 0, "alignment of a region")?;
        must(offset >= at, "two regions overlap")?;
        must(offset - at < 64, "padding of 64 bytes or more")?;
        let end = offset.checked_add(len).ok_or("a region ends beyond 2^64")?;
        must(end <= footer, "a region ends behind the footer's begin")?;
        must(
            slice(file, at, offset - at).iter().all(|&byte| byte == 0),
            "padding is not zero",
        )?;
        at = end;
    }
    must(at == footer, "bytes before the footer")
}

/// Bytes that are known to be there.
fn slice(file: &[u8], offset: u64, len: u64) -> &[u8] {
    &file[offset as usize..][..len as usize]
}

/// The payload of a part of a parsed file.
pub(crate) fn payload_of<'a>(file: &'a [u8], part: &Part) -> &'a [u8] {
    slice(file, part.offset, part.len)
}

/// The bytes of a tensor of a parsed file, checked against its digest.
pub(crate) fn decode_tensor(
    file: &[u8],
    container: &Container,
    number: usize,
) -> Result<Vec<u8>, Refusal> {
    let out = decode_without_digest(file, container, number)?;
    let digest = container.tensors[number].digest;
    must(*blake3::hash(&out).as_bytes() == digest, "digest")?;
    Ok(out)
}

/// The bytes of a tensor of a parsed file, whatever its digest.
pub(crate) fn decode_without_digest(
    file: &[u8],
    container: &Container,
    number: usize,
) -> Result<Vec<u8>, Refusal> {
    let named = &container.tensors[number];
    let tensor = named
        .duplicate_of
        .map_or(named, |original| &container.tensors[original as usize]);
    let mut out = Vec::new();
    for part in &tensor.parts {
        payload::decode_part(payload_of(file, part), tensor, part, &mut out)?;
    }
    must(
        out.len() as u64 == named.raw_len,
        "length of a decoded tensor",
    )?;
    Ok(out)
}

/// Every tensor's name and bytes.
pub(crate) fn decode(file: &[u8], max_tensor_len: u64) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let container = parse(file, max_tensor_len)?;
    let names = container
        .tensors
        .iter()
        .map(|tensor| tensor.name.clone())
        .enumerate();
    names
        .map(|(number, name)| Ok((name, decode_tensor(file, &container, number)?)))
        .collect()
}
