//! One tensor: from the file into the `Vec` that candle takes over.

use bytemuck::Pod;
use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, DType, Device, Error, Result, Shape, Storage, Tensor, WithDType};
use float8::F8E4M3;
use half::{bf16, f16};
use wcodec::{Dtype, FloatElement, Reader, TensorId, TensorInfo};

/// What candle makes of a stored dtype: the same, but U32 of U16.
///
/// # Errors
///
/// `UnsupportedSafeTensorDtype` for those that candle does not load.
pub(crate) fn native_dtype(stored: Dtype) -> Result<DType> {
    Ok(match stored {
        Dtype::U8 => DType::U8,
        Dtype::U16 | Dtype::U32 => DType::U32,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::BF16 => DType::BF16,
        Dtype::F16 => DType::F16,
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::F8_E4M3 => DType::F8E4M3,
        Dtype::F6_E2M3 => DType::F6E2M3,
        Dtype::F6_E3M2 => DType::F6E3M2,
        Dtype::F4 => DType::F4,
        Dtype::F8_E8M0 => DType::F8E8M0,
        other => return Err(Error::UnsupportedSafeTensorDtype(other.into()).bt()),
    })
}

/// Checks that a tensor can become one of `dtype`, without decoding it.
///
/// # Errors
///
/// candle's own: `UnsupportedSafeTensorDtype` when it loads no such tensor, `UnsupportedDTypeForOp` when it has no
/// such cast.
pub(crate) fn check_dtype(info: &TensorInfo, dtype: DType) -> Result<()> {
    let native = native_dtype(info.dtype)?;
    let opaque = |dtype| {
        matches!(
            dtype,
            DType::F6E2M3 | DType::F6E3M2 | DType::F4 | DType::F8E8M0
        )
    };
    let culprit = [dtype, native].into_iter().find(|&dtype| opaque(dtype));
    match culprit {
        Some(culprit) if native != dtype => {
            Err(Error::UnsupportedDTypeForOp(culprit, "to_dtype").bt())
        }
        _ => Ok(()),
    }
}

/// The shape as candle writes it.
///
/// # Errors
///
/// If a dimension does not fit this machine's `usize`.
pub(crate) fn shape_of(info: &TensorInfo) -> Result<Shape> {
    let dims = info.shape.iter().map(|&dim| usize::try_from(dim));
    Ok(dims.collect::<std::result::Result<Vec<usize>, _>>()?.into())
}

/// Decodes a tensor on the current rayon pool, as the CPU tensor that candle would have loaded and cast to `dtype`.
///
/// Floats are converted as they are decoded. Any other cast is candle's own and holds both tensors for a moment.
///
/// # Errors
///
/// As [`check_dtype`]; the reader's error, which names file, tensor and chunk; out of memory.
pub(crate) fn decode(reader: &Reader, id: TensorId, dtype: DType) -> Result<Tensor> {
    let info = reader.info(id);
    check_dtype(info, dtype)?;
    let is_float = matches!(
        info.dtype,
        Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64
    );
    match dtype {
        DType::F32 if is_float => floats::<f32>(reader, id),
        DType::F16 if is_float => floats::<f16>(reader, id),
        DType::BF16 if is_float => floats::<bf16>(reader, id),
        // candle's own cast calls itself for ever: its `v.to_f64()` is its own trait's method, not float8's.
        DType::F64 if info.dtype == Dtype::F8_E4M3 => {
            let widen = |bits| f64::from(F8E4M3::from_bits(bits).to_f32());
            let elems = plain::<u8>(reader, id)?.into_iter().map(widen);
            tensor(elems.collect(), info)
        }
        _ => native(reader, id)?.to_dtype(dtype),
    }
}

/// Decodes a tensor in the dtype that candle gives it.
fn native(reader: &Reader, id: TensorId) -> Result<Tensor> {
    let info = reader.info(id);
    let opaque = |wrap: fn(Vec<u8>) -> CpuStorage| -> Result<Tensor> {
        let storage = Storage::Cpu(wrap(plain(reader, id)?));
        Ok(Tensor::from_storage(
            storage,
            shape_of(info)?,
            BackpropOp::none(),
            false,
        ))
    };
    match info.dtype {
        Dtype::U8 => tensor(plain::<u8>(reader, id)?, info),
        Dtype::U16 => tensor(
            plain::<u16>(reader, id)?
                .into_iter()
                .map(u32::from)
                .collect(),
            info,
        ),
        Dtype::U32 => tensor(plain::<u32>(reader, id)?, info),
        Dtype::I16 => tensor(plain::<i16>(reader, id)?, info),
        Dtype::I32 => tensor(plain::<i32>(reader, id)?, info),
        Dtype::I64 => tensor(plain::<i64>(reader, id)?, info),
        Dtype::F64 => tensor(plain::<f64>(reader, id)?, info),
        Dtype::BF16 => floats::<bf16>(reader, id),
        Dtype::F16 => floats::<f16>(reader, id),
        Dtype::F32 => floats::<f32>(reader, id),
        // Same size and alignment: the collection happens in place.
        Dtype::F8_E4M3 => tensor(
            plain::<u8>(reader, id)?
                .into_iter()
                .map(F8E4M3::from_bits)
                .collect(),
            info,
        ),
        Dtype::F6_E2M3 => opaque(CpuStorage::F6E2M3),
        Dtype::F6_E3M2 => opaque(CpuStorage::F6E3M2),
        Dtype::F4 => opaque(CpuStorage::F4),
        Dtype::F8_E8M0 => opaque(CpuStorage::F8E8M0),
        other => Err(Error::UnsupportedSafeTensorDtype(other.into()).bt()),
    }
}

/// Moves decoded elements into a tensor.
fn tensor<T: WithDType>(elems: Vec<T>, info: &TensorInfo) -> Result<Tensor> {
    Tensor::from_vec(elems, shape_of(info)?, &Device::Cpu)
}

fn floats<T: FloatElement + WithDType + Pod>(reader: &Reader, id: TensorId) -> Result<Tensor> {
    let info = reader.info(id);
    let mut elems: Vec<T> = zeroed(info, info.num_elems())?;
    reader.decode_floats(id, &mut elems).map_err(Error::wrap)?;
    tensor(elems, info)
}

/// Decodes a tensor of integers, F64 or packed bytes.
fn plain<T: LittleEndian>(reader: &Reader, id: TensorId) -> Result<Vec<T>> {
    let info = reader.info(id);
    let mut elems: Vec<T> = zeroed(info, info.raw_bytes / size_of::<T>() as u64)?;
    reader
        .decode_bytes(id, bytemuck::cast_slice_mut(&mut elems))
        .map_err(Error::wrap)?;
    for elem in &mut elems {
        *elem = elem.out_of_le();
    }
    Ok(elems)
}

/// Zeros straight from the allocator, which for a large tensor costs nothing until they are written.
fn zeroed<T: Pod>(info: &TensorInfo, len: u64) -> Result<Vec<T>> {
    let elems = usize::try_from(len)
        .ok()
        .and_then(|len| bytemuck::allocation::try_zeroed_vec(len).ok());
    elems.ok_or_else(|| {
        let bytes = len.saturating_mul(size_of::<T>() as u64);
        Error::msg(format_args!(
            "tensor `{}`: no memory for its {bytes} bytes",
            info.name
        ))
    })
}

/// An element whose bytes in the file are little-endian. The conversion costs nothing where memory is, too.
trait LittleEndian: Pod {
    fn out_of_le(self) -> Self;
}

macro_rules! impl_little_endian {
    ($($ty:ty),*) => {$(
        impl LittleEndian for $ty {
            fn out_of_le(self) -> Self {
                <$ty>::from_le(self)
            }
        }
    )*};
}

impl_little_endian!(u8, u16, u32, i16, i32, i64);

impl LittleEndian for f64 {
    fn out_of_le(self) -> Self {
        Self::from_bits(u64::from_le(self.to_bits()))
    }
}
