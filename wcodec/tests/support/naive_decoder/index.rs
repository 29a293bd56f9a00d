//! Section 3: the index.

use super::{Attachment, Container, Fields, Part, Refusal, Source, Tensor, must};
use std::collections::HashSet;

const MAX_PART_LEN: u64 = 134_217_728;

/// Bits of an element and bytes of a sample, by dtype id.
fn dtype_sizes(id: u8) -> Result<(u64, u64), Refusal> {
    Ok(match id {
        1..=3 | 15..=19 => (8, 1),  // BOOL, U8, I8, the FP8 types
        4 | 5 | 10 | 11 => (16, 2), // U16, I16, F16, BF16
        6 | 7 | 12 => (32, 4),      // U32, I32, F32
        8 | 9 | 13 => (64, 8),      // U64, I64, F64
        14 => (64, 4),              // C64: two samples
        20 | 21 => (6, 1),          // F6
        22 => (4, 1),               // F4
        _ => return Err("unknown dtype".into()),
    })
}

/// The index in `bytes`, which lies at `place`.
pub(super) fn read(
    bytes: &[u8],
    place: (u64, u64),
    max_tensor_len: u64,
) -> Result<Container, Refusal> {
    let mut fields = Fields { bytes };
    let [num_sources, num_attachments, num_tensors] = [fields.u32()?, fields.u32()?, fields.u32()?];
    fields.reserved(4)?;
    let (index_offset, index_len) = place;
    let mut container = Container {
        index_offset,
        index_len,
        sources: vec![],
        attachments: vec![],
        tensors: vec![],
    };
    let mut file_names = HashSet::new();
    for _ in 0..num_sources {
        let name = file_name(&mut fields, &mut file_names)?;
        let (offset, len, crc, file_len) =
            (fields.u64()?, fields.u64()?, fields.u32()?, fields.u64()?);
        container.sources.push(Source {
            name,
            offset,
            len,
            crc,
            file_len,
        });
    }
    for _ in 0..num_attachments {
        let name = file_name(&mut fields, &mut file_names)?;
        let (offset, len, crc) = (fields.u64()?, fields.u64()?, fields.u32()?);
        container.attachments.push(Attachment {
            name,
            offset,
            len,
            crc,
        });
    }
    let mut names = HashSet::new();
    for _ in 0..num_tensors {
        let tensor = read_tensor(&mut fields, &container, max_tensor_len)?;
        must(names.insert(tensor.name.clone()), "two tensors of one name")?;
        container.tensors.push(tensor);
    }
    must(fields.bytes.is_empty(), "bytes after the last tensor")?;
    check_data_sections(&container)?;
    Ok(container)
}

/// Section 3.1.
fn file_name(fields: &mut Fields<'_>, seen: &mut HashSet<String>) -> Result<String, Refusal> {
    let name = fields.string()?;
    must(
        (1..=255).contains(&name.len()) && name != "." && name != "..",
        "file name",
    )?;
    must(
        !name
            .chars()
            .any(|c| c.is_control() || "/\\:*?\"<>|".contains(c)),
        "character of a file name",
    )?;
    must(seen.insert(name.clone()), "two files of one name")?;
    Ok(name)
}

fn read_tensor(
    fields: &mut Fields<'_>,
    container: &Container,
    max_tensor_len: u64,
) -> Result<Tensor, Refusal> {
    let name = fields.string()?;
    let source = fields.u32()?;
    must(
        (source as usize) < container.sources.len(),
        "source file of a tensor",
    )?;
    let (dtype, rank, num_parts) = (fields.u8()?, fields.u8()?, fields.u16()?);
    let (element_bits, sample_len) = dtype_sizes(dtype)?;
    let shape = (0..rank)
        .map(|_| fields.u64())
        .collect::<Result<Vec<u64>, _>>()?;
    let elements = shape
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(dim));
    let bits = elements
        .and_then(|elements| elements.checked_mul(element_bits))
        .ok_or("shape overflows")?;
    must(bits % 8 == 0, "elements do not fill whole bytes")?;
    let raw_len = bits / 8;
    must(raw_len <= max_tensor_len, "limit of a tensor")?;
    let (data_offset, chunk_samples) = (fields.u64()?, fields.u32()?);
    must((1..=65536).contains(&chunk_samples), "chunk_samples")?;
    fields.reserved(4)?;
    let duplicate_of = Some(fields.u32()?).filter(|&number| number != u32::MAX);
    let mut digest = [0; 32];
    digest.copy_from_slice(fields.take(32)?);
    let mut tensor = Tensor {
        name,
        source,
        dtype,
        shape,
        data_offset,
        chunk_samples,
        duplicate_of,
        digest,
        parts: vec![],
        raw_len,
        sample_len,
    };
    if let Some(number) = duplicate_of {
        let original = container
            .tensors
            .get(number as usize)
            .ok_or("a duplicate of no earlier tensor")?;
        must(
            original.duplicate_of.is_none(),
            "a duplicate of a duplicate",
        )?;
        must(
            (original.dtype, &original.shape) == (dtype, &tensor.shape),
            "dtype and shape of a duplicate",
        )?;
        must(
            (original.chunk_samples, original.digest) == (chunk_samples, digest),
            "a duplicate that is none",
        )?;
        must(num_parts == 0, "a duplicate with parts")?;
        return Ok(tensor);
    }
    let num_samples = raw_len / sample_len;
    let num_chunks = num_samples.div_ceil(chunk_samples.into());
    must(
        u32::try_from(num_chunks).is_ok(),
        "more than 2^32 - 1 chunks",
    )?;
    let mut next_chunk = 0;
    for _ in 0..num_parts {
        let part = read_part(fields, &tensor, next_chunk)?;
        next_chunk += u64::from(part.num_chunks);
        must(next_chunk <= num_chunks, "a part ends behind its tensor")?;
        tensor.parts.push(part);
    }
    must(
        next_chunk == num_chunks,
        "the last part does not end with its tensor",
    )?;
    Ok(tensor)
}

/// Section 3.3.
fn read_part(fields: &mut Fields<'_>, tensor: &Tensor, next_chunk: u64) -> Result<Part, Refusal> {
    let method = fields.u8()?;
    must(method <= 4, "unknown method")?;
    fields.reserved(1)?;
    let (mapping, symbol_bits, stored_bits, zero_bits) =
        (fields.u8()?, fields.u8()?, fields.u8()?, fields.u8()?);
    fields.reserved(2)?;
    let (first_chunk, num_chunks) = (fields.u32()?, fields.u32()?);
    let (offset, len, table_len, crc) =
        (fields.u64()?, fields.u64()?, fields.u32()?, fields.u32()?);
    must(
        u64::from(first_chunk) == next_chunk,
        "first chunk of a part",
    )?;
    must(num_chunks >= 1, "a part without chunks")?;
    let sample_at = |chunk: u64| {
        (chunk * u64::from(tensor.chunk_samples)).min(tensor.raw_len / tensor.sample_len)
    };
    let samples = sample_at(next_chunk + u64::from(num_chunks)) - sample_at(next_chunk);
    let raw_len = samples * tensor.sample_len;
    must(raw_len <= MAX_PART_LEN, "length that a part decodes to")?;
    if let 0 | 3 | 4 = method {
        let (w, k, z) = (
            u64::from(symbol_bits),
            u64::from(stored_bits),
            u64::from(zero_bits),
        );
        must(mapping <= 2, "unknown mapping")?;
        must((1..=14).contains(&w), "symbol bits")?;
        if method == 3 {
            must(
                [mapping, stored_bits, zero_bits] == [0; 3],
                "unused fields of a part with tools",
            )?;
        } else {
            must(w + k + z <= tensor.sample_len * 8, "split")?;
        }
        must(mapping != 2 || k >= 1, "floats without a stored sign")?;
        must(
            len < raw_len,
            "a chunked payload as long as what it decodes to",
        )?;
        must(u64::from(table_len) <= len, "length of a chunk table")?;
    } else {
        let expected = if method == 1 {
            raw_len
        } else {
            tensor.sample_len
        };
        must(len == expected, "length of a payload")?;
        must(
            [mapping, symbol_bits, stored_bits, zero_bits] == [0; 4] && table_len == 0,
            "unused fields of a part",
        )?;
    }
    Ok(Part {
        method,
        mapping,
        symbol_bits,
        stored_bits,
        zero_bits,
        first_chunk,
        num_chunks,
        offset,
        len,
        table_len,
        crc,
        samples,
    })
}

/// The tensors of each source file fill its data section.
fn check_data_sections(container: &Container) -> Result<(), Refusal> {
    for (number, source) in container.sources.iter().enumerate() {
        let tensors = container
            .tensors
            .iter()
            .filter(|tensor| tensor.source as usize == number);
        let mut places: Vec<(u64, u64)> = tensors
            .map(|tensor| (tensor.data_offset, tensor.raw_len))
            .collect();
        places.sort_unstable();
        let mut at = 0u64;
        for (offset, len) in places {
            must(offset == at, "a hole or an overlap in a data section")?;
            at = at
                .checked_add(len)
                .ok_or("a data section longer than 2^64")?;
        }
        must(
            source.len.checked_add(at) == Some(source.file_len),
            "length of a source file",
        )?;
    }
    Ok(())
}
