//! Writing an index.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::{AttachmentInfo, SourceInfo, TensorInfo};

/// Marks a tensor that is no duplicate.
pub(super) const NO_DUPLICATE: u32 = u32::MAX;

/// The bytes of an index. Names and counts fit their fields: the writer checked them.
pub(in crate::container) fn write(
    sources: &[SourceInfo],
    attachments: &[AttachmentInfo],
    tensors: &[TensorInfo],
) -> Vec<u8> {
    let mut out = Vec::new();
    for count in [sources.len(), attachments.len(), tensors.len(), 0] {
        out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }
    for source in sources {
        string(&mut out, &source.name);
        out.extend(source.header.offset.to_le_bytes());
        out.extend(source.header.len.to_le_bytes());
        out.extend(source.header_crc.to_le_bytes());
        out.extend(source.file_bytes.to_le_bytes());
    }
    for attachment in attachments {
        string(&mut out, &attachment.name);
        out.extend(attachment.region.offset.to_le_bytes());
        out.extend(attachment.region.len.to_le_bytes());
        out.extend(attachment.crc.to_le_bytes());
    }
    for tensor in tensors {
        string(&mut out, &tensor.name);
        out.extend(
            u32::try_from(tensor.source)
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        out.extend([
            tensor.dtype as u8,
            u8::try_from(tensor.shape.len()).unwrap_or(u8::MAX),
        ]);
        out.extend(
            u16::try_from(tensor.parts.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        tensor
            .shape
            .iter()
            .for_each(|dim| out.extend(dim.to_le_bytes()));
        out.extend(tensor.data_offset.to_le_bytes());
        out.extend(tensor.chunk_samples.to_le_bytes());
        out.extend([0; 4]); // reconstruction: exact
        out.extend(
            tensor
                .duplicate_of
                .map_or(NO_DUPLICATE, |id| id.0)
                .to_le_bytes(),
        );
        out.extend(tensor.digest);
        tensor.parts.iter().for_each(|part| part.write(&mut out));
    }
    out
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(text.as_bytes());
}
