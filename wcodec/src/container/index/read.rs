//! Reading an index, and checking every rule of FORMAT.md section 3.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::regions::padding_between;
use super::write::NO_DUPLICATE;
use super::{AttachmentInfo, Index, Region, SourceInfo, TensorId, TensorInfo, valid_file_name};
use crate::Dtype;
use crate::error::{Error, ErrorKind};
use crate::format::fields::ByteReader;
use crate::format::{CHUNK_MAX_SAMPLES, FOOTER_BYTES, HEADER_BYTES, PART_ENTRY_BYTES};
use crate::limits::{Limits, check};
use crate::tensor::PartEntry;
use std::collections::HashSet;

fn malformed(what: &'static str, rule: &'static str) -> ErrorKind {
    ErrorKind::Malformed { what, rule }
}

/// Reads the index in `bytes`, which lies at `place` and is followed by the footer alone.
///
/// # Errors
///
/// `Truncated`, `Malformed`, `UnsupportedFeature`, `LimitExceeded`, with the tensor they concern.
///
/// # Panics
///
/// Never, for any input.
pub(in crate::container) fn read(
    bytes: &[u8],
    place: Region,
    limits: &Limits,
) -> Result<Index, Error> {
    let mut src = ByteReader::new(bytes);
    let [num_sources, num_attachments, num_tensors] = [
        src.u32("num_sources")?,
        src.u32("num_attachments")?,
        src.u32("num_tensors")?,
    ];
    src.reserved("reserved field of the index", 4)?;
    let mut index = Index::default();
    // Vectors grow as entries are found, so a false count allocates nothing.
    for _ in 0..num_sources {
        index.sources.push(read_source(&mut src, limits)?);
    }
    for _ in 0..num_attachments {
        index.attachments.push(read_attachment(&mut src, limits)?);
    }
    check_file_names(&index)?;
    for number in 0..num_tensors {
        let tensor = read_tensor(&mut src, &index, limits)?;
        if index
            .by_name
            .insert(tensor.name.clone(), TensorId(number))
            .is_some()
        {
            return Err(
                Error::from(malformed("name of a tensor, given twice,", "3.2"))
                    .in_tensor(&tensor.name),
            );
        }
        index.tensors.push(tensor);
    }
    if !src.rest().is_empty() {
        return Err(malformed("end of the index", "3").into());
    }
    check_sources_are_tiled(&index)?;
    let header = Region {
        offset: 0,
        len: HEADER_BYTES as u64,
    };
    let footer = Region {
        offset: place.offset.saturating_add(place.len),
        len: FOOTER_BYTES as u64,
    };
    let parts = index.tensors.iter().flat_map(|tensor| &tensor.parts);
    let regions = parts
        .map(|part| Region {
            offset: part.offset,
            len: part.len,
        })
        .chain(index.attachments.iter().map(|attachment| attachment.region))
        .chain(index.sources.iter().map(|source| source.header))
        .chain([header, place])
        .collect();
    index.gaps = padding_between(regions, footer.offset)?;
    Ok(index)
}

fn read_source(src: &mut ByteReader<'_>, limits: &Limits) -> Result<SourceInfo, ErrorKind> {
    let name = src.string("name of a source file")?.to_owned();
    let header = Region {
        offset: src.u64("header offset")?,
        len: src.u64("header length")?,
    };
    check(
        "length of a safetensors header",
        header.len,
        limits.max_attachment_bytes,
    )?;
    let header_crc = src.u32("header checksum")?;
    let file_bytes = src.u64("length of a source file")?;
    Ok(SourceInfo {
        name,
        file_bytes,
        header,
        header_crc,
    })
}

fn read_attachment(src: &mut ByteReader<'_>, limits: &Limits) -> Result<AttachmentInfo, ErrorKind> {
    let name = src.string("name of an attachment")?.to_owned();
    let region = Region {
        offset: src.u64("attachment offset")?,
        len: src.u64("attachment length")?,
    };
    check(
        "length of an attachment",
        region.len,
        limits.max_attachment_bytes,
    )?;
    Ok(AttachmentInfo {
        name,
        region,
        crc: src.u32("attachment checksum")?,
    })
}

/// Names become files of one folder: each is a plain name, and no two are the same.
fn check_file_names(index: &Index) -> Result<(), ErrorKind> {
    let names = index.sources.iter().map(|source| &source.name);
    let names = names.chain(index.attachments.iter().map(|attachment| &attachment.name));
    let mut seen = HashSet::new();
    for name in names {
        if !valid_file_name(name) || !seen.insert(name) {
            return Err(malformed("name of a file", "3.1"));
        }
    }
    Ok(())
}

fn read_tensor(
    src: &mut ByteReader<'_>,
    index: &Index,
    limits: &Limits,
) -> Result<TensorInfo, Error> {
    let name = src.string("name of a tensor")?;
    read_named_tensor(src, name, index, limits).map_err(|kind| Error::from(kind).in_tensor(name))
}

fn read_named_tensor(
    src: &mut ByteReader<'_>,
    name: &str,
    index: &Index,
    limits: &Limits,
) -> Result<TensorInfo, ErrorKind> {
    let source = src.u32("source of a tensor")? as usize;
    if source >= index.sources.len() {
        return Err(malformed("source of a tensor", "3.2"));
    }
    let dtype = Dtype::try_from(src.u8("dtype")?)?;
    let rank = src.u8("rank")?;
    let num_parts = usize::from(src.u16("num_parts")?);
    let shape = (0..rank)
        .map(|_| src.u64("dimension"))
        .collect::<Result<Vec<u64>, _>>()?;
    let num_elems = shape
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(dim));
    let raw_bytes = num_elems
        .and_then(|num_elems| dtype.bytes_of(num_elems))
        .ok_or(malformed("shape", "3.2"))?;
    check(
        "decoded length of a tensor",
        raw_bytes,
        limits.max_tensor_bytes,
    )?;
    let data_offset = src.u64("data offset")?;
    let chunk_samples = src.u32("chunk_samples")?;
    src.reserved("reconstruction", 4)?;
    let duplicate_of = src.u32("duplicate_of")?;
    let digest = src.bytes("digest")?;
    let mut tensor = TensorInfo {
        name: name.to_owned(),
        dtype,
        shape,
        source,
        data_offset,
        raw_bytes,
        duplicate_of: None,
        digest,
        chunk_samples,
        parts: Vec::new(),
    };
    // Checked before the division and the multiplications that use it.
    if chunk_samples == 0 || chunk_samples > CHUNK_MAX_SAMPLES {
        return Err(malformed("chunk_samples", "3.2"));
    }
    if duplicate_of != NO_DUPLICATE {
        tensor.duplicate_of = Some(TensorId(duplicate_of));
        let original = index.tensors.get(duplicate_of as usize);
        let is_twin = original.is_some_and(|original| {
            let key = |info: &TensorInfo| (info.dtype, info.chunk_samples, info.digest);
            original.duplicate_of.is_none()
                && original.shape == tensor.shape
                && key(original) == key(&tensor)
        });
        return if is_twin && num_parts == 0 {
            Ok(tensor)
        } else {
            Err(malformed("duplicate_of", "3.2"))
        };
    }
    read_parts(src, &mut tensor, num_parts)?;
    Ok(tensor)
}

/// Parts follow one another and end with the tensor.
fn read_parts(
    src: &mut ByteReader<'_>,
    tensor: &mut TensorInfo,
    num_parts: usize,
) -> Result<(), ErrorKind> {
    let sample_bytes = tensor.sample_bytes();
    let num_chunks = tensor
        .num_samples()
        .div_ceil(u64::from(tensor.chunk_samples));
    let num_chunks = u32::try_from(num_chunks).map_err(|_| malformed("chunk_samples", "3.2"))?;
    let mut next_chunk = 0u32;
    let mut parts = Vec::with_capacity(num_parts.min(src.rest().len().div_ceil(PART_ENTRY_BYTES)));
    for _ in 0..num_parts {
        let part = PartEntry::read(src, sample_bytes, |range| {
            let samples = tensor.samples_of(&range);
            samples
                .end
                .checked_sub(samples.start)?
                .checked_mul(sample_bytes as u64)
        })?;
        if part.first_chunk != next_chunk {
            return Err(malformed("first_chunk", "3.3"));
        }
        next_chunk = next_chunk.saturating_add(part.num_chunks);
        parts.push(part);
    }
    if next_chunk != num_chunks {
        return Err(malformed("number of chunks", "3.3"));
    }
    tensor.parts = parts;
    Ok(())
}

/// The tensors of each source file fill its data section without holes or overlaps.
fn check_sources_are_tiled(index: &Index) -> Result<(), Error> {
    let mut tensors: Vec<&TensorInfo> = index.tensors.iter().collect();
    tensors.sort_by_key(|tensor| (tensor.source, tensor.data_offset, tensor.raw_bytes));
    let mut ends = vec![0u64; index.sources.len()];
    for tensor in tensors {
        let end = ends
            .get_mut(tensor.source)
            .filter(|end| **end == tensor.data_offset);
        let after = tensor.data_offset.checked_add(tensor.raw_bytes);
        match (end, after) {
            (Some(end), Some(after)) => *end = after,
            _ => return Err(Error::from(malformed("data offset", "3.2")).in_tensor(&tensor.name)),
        }
    }
    for (source, data_bytes) in index.sources.iter().zip(ends) {
        if source.header.len.checked_add(data_bytes) != Some(source.file_bytes) {
            return Err(malformed("length of a source file", "3.1").into());
        }
    }
    Ok(())
}
