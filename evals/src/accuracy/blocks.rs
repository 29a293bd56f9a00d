//! GGUF's blocks, field by field.

use crate::tensor::Tensor;
use anyhow::ensure;
use candle_core::quantized::GgmlDType;
use safetensors::Dtype;

/// The parts of a GGUF block in order: a name, a dtype, a number of elements.
fn block_fields(dtype: GgmlDType) -> &'static [(&'static str, Dtype, usize)] {
    match dtype {
        GgmlDType::Q4_0 => &[("d", Dtype::F16, 1), ("nibbles", Dtype::U8, 16)],
        GgmlDType::Q5_0 => &[
            ("d", Dtype::F16, 1),
            ("high", Dtype::U8, 4),
            ("nibbles", Dtype::U8, 16),
        ],
        GgmlDType::Q8_0 => &[("d", Dtype::F16, 1), ("codes", Dtype::I8, 32)],
        GgmlDType::Q4K => &[
            ("d", Dtype::F16, 2),
            ("scales", Dtype::U8, 12),
            ("nibbles", Dtype::U8, 128),
        ],
        GgmlDType::Q5K => &[
            ("d", Dtype::F16, 2),
            ("scales", Dtype::U8, 12),
            ("high", Dtype::U8, 32),
            ("nibbles", Dtype::U8, 128),
        ],
        GgmlDType::Q6K => &[
            ("nibbles", Dtype::U8, 128),
            ("high", Dtype::U8, 64),
            ("scales", Dtype::I8, 16),
            ("d", Dtype::F16, 1),
        ],
        _ => &[],
    }
}

/// A GGUF tensor as one tensor for each field of its blocks: a codec of tensors then meets numbers of one kind.
pub(super) fn fields(
    name: &str,
    dtype: GgmlDType,
    shape: &[usize],
    bytes: &[u8],
) -> anyhow::Result<Vec<Tensor>> {
    if dtype == GgmlDType::F32 {
        return Ok(vec![Tensor::new(name, Dtype::F32, shape, bytes.to_vec())]);
    }
    let fields = block_fields(dtype);
    let block_bytes: usize = fields
        .iter()
        .map(|(_, dtype, count)| dtype.bitsize() / 8 * count)
        .sum();
    ensure!(
        block_bytes == dtype.type_size(),
        "{dtype:?} is laid out in an unknown way"
    );
    let rows = shape.first().copied().unwrap_or(1);
    let num_blocks = bytes.len() / block_bytes;
    let mut at = 0;
    let mut tensors = Vec::new();
    for (field, dtype, count) in fields {
        let len = dtype.bitsize() / 8 * count;
        let blocks = bytes.chunks_exact(block_bytes);
        let own = blocks
            .flat_map(|block| block[at..at + len].iter().copied())
            .collect();
        at += len;
        let columns = num_blocks * count / rows.max(1);
        tensors.push(Tensor::new(
            &format!("{name}.{field}"),
            *dtype,
            &[rows, columns],
            own,
        ));
    }
    Ok(tensors)
}
