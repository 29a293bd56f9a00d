//! Tensors that a lane fills: allocated on candle's stream, written on ours.
#![expect(unsafe_code, reason = "memory is allocated for a kernel to fill")]

use super::machine::{CudaMachine, failed};
use crate::decode::shape_of;
use crate::device::{Fault, Outcome, Session, Target, lane_of};
use candle_core::cuda_backend::CudaStorageSlice;
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, DevicePtrMut, DeviceRepr, DriverError, SyncOnDrop,
};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Result, Storage, Tensor};
use float8::F8E4M3;
use half::{bf16, f16};
use wcodec::{Dtype, Reader, TensorId};
use wcodec_kernels::Element;

/// One tensor on its way.
pub(super) struct Output<'a> {
    pub(super) reader: &'a Reader,
    pub(super) session: &'a Session<CudaMachine>,
    pub(super) device: &'a CudaDevice,
    pub(super) id: TensorId,
}

/// What the kernels make of a stored dtype when another is asked for; `None` if they do not.
fn element(stored: Dtype, asked: DType) -> Option<Element> {
    let is_float = matches!(stored, Dtype::BF16 | Dtype::F16 | Dtype::F32);
    match (stored, asked) {
        (Dtype::U8, DType::U8)
        | (Dtype::U32, DType::U32)
        | (Dtype::I16, DType::I16)
        | (Dtype::I32, DType::I32)
        | (Dtype::I64, DType::I64)
        | (Dtype::BF16, DType::BF16)
        | (Dtype::F16, DType::F16)
        | (Dtype::F32, DType::F32)
        | (Dtype::F64, DType::F64)
        | (Dtype::F8_E4M3, DType::F8E4M3)
        | (Dtype::F6_E2M3, DType::F6E2M3)
        | (Dtype::F6_E3M2, DType::F6E3M2)
        | (Dtype::F4, DType::F4)
        | (Dtype::F8_E8M0, DType::F8E8M0) => Some(Element::Same),
        (_, DType::BF16) if is_float => Some(Element::Bf16),
        (_, DType::F16) if is_float => Some(Element::F16),
        (_, DType::F32) if is_float => Some(Element::F32),
        _ => None,
    }
}

impl Output<'_> {
    /// The tensor in a dtype that candle can give it; `None` if it has to be decoded on the host.
    ///
    /// # Errors
    ///
    /// As [`crate::device::Session::decode`]; no memory.
    pub(super) fn load(&self, dtype: DType) -> Result<Option<Tensor>> {
        let info = self.reader.info(self.id);
        let (num_elems, raw_bytes) = (info.num_elems(), info.raw_bytes);
        let Some(element) = element(info.dtype, dtype).filter(|_| raw_bytes > 0) else {
            return Ok(None);
        };
        let storage = match dtype {
            DType::U8 => self.fill::<u8>(element, num_elems, CudaStorageSlice::U8),
            DType::U32 => self.fill::<u32>(element, num_elems, CudaStorageSlice::U32),
            DType::I16 => self.fill::<i16>(element, num_elems, CudaStorageSlice::I16),
            DType::I32 => self.fill::<i32>(element, num_elems, CudaStorageSlice::I32),
            DType::I64 => self.fill::<i64>(element, num_elems, CudaStorageSlice::I64),
            DType::BF16 => self.fill::<bf16>(element, num_elems, CudaStorageSlice::BF16),
            DType::F16 => self.fill::<f16>(element, num_elems, CudaStorageSlice::F16),
            DType::F32 => self.fill::<f32>(element, num_elems, CudaStorageSlice::F32),
            DType::F64 => self.fill::<f64>(element, num_elems, CudaStorageSlice::F64),
            DType::F8E4M3 => self.fill::<F8E4M3>(element, num_elems, CudaStorageSlice::F8E4M3),
            DType::F6E2M3 => self.fill::<u8>(element, raw_bytes, CudaStorageSlice::F6E2M3),
            DType::F6E3M2 => self.fill::<u8>(element, raw_bytes, CudaStorageSlice::F6E3M2),
            DType::F4 => self.fill::<u8>(element, raw_bytes, CudaStorageSlice::F4),
            DType::F8E8M0 => self.fill::<u8>(element, raw_bytes, CudaStorageSlice::F8E8M0),
            _ => Ok(None),
        };
        // Not before the memory is waited for by whoever frees it: who is told may panic.
        self.session.tell();
        let Some(slice) = storage? else {
            return Ok(None);
        };
        let storage = CudaStorage {
            slice,
            device: self.device.clone(),
        };
        let shape = shape_of(info)?;
        let storage = Storage::Cuda(storage);
        Ok(Some(Tensor::from_storage(
            storage,
            shape,
            BackpropOp::none(),
            false,
        )))
    }

    /// Allocates `len` elements and has them decoded.
    fn fill<T: DeviceRepr>(
        &self,
        element: Element,
        len: u64,
        wrap: fn(CudaSlice<T>) -> CudaStorageSlice,
    ) -> Result<Option<CudaStorageSlice>> {
        let info = self.reader.info(self.id);
        let named = |error: wcodec::Error| candle_core::Error::wrap(error.in_tensor(&info.name));
        // Packed elements come out as they are stored.
        let stored_bytes = (info.raw_bytes / len.max(1)).max(1);
        let lane = lane_of(info);
        let stream = self.session.machine().lane(lane);
        let candles = self.device.cuda_stream();
        // SAFETY: the kernels write every element before candle reads one: its work waits for the slice's `write`
        // event, and the slice is handed out only if all parts of the tensor were enqueued.
        let allocated = unsafe { candles.alloc::<T>(usize::try_from(len)?) };
        let mut slice = allocated.map_err(|error| named(failed("allocating the tensor")(error)))?;
        // The allocation is ordered on candle's stream, which is this thread's.
        let joined = stream.join(&candles);
        joined.map_err(|error| named(failed("waiting for candle")(error)))?;
        let is_waited_for = candles.context().is_managing_stream_synchronization();
        let (address, record) = slice.device_ptr_mut(stream);
        let target = Target {
            address,
            element,
            stored_bytes,
            output_bytes: size_of::<T>() as u64,
            lane,
        };
        let outcome = self.session.decode(self.id, &target);
        let recorded = record_write(record);
        if outcome.map_err(Fault::into_candle)? == Outcome::LeftToHost {
            return Ok(None);
        }
        if !is_waited_for || !matches!(recorded, Ok(true)) {
            // Nobody will wait for the event: the host does, here.
            self.session.settle(lane).map_err(Fault::into_candle)?;
        }
        recorded.map_err(|error| named(failed("recording an event")(error)))?;
        Ok(Some(wrap(slice)))
    }
}

/// Records a slice's `write` event where its guard would, on the lane behind its decoding; whether it has one.
///
/// The guard itself would leave an error with the context, for whichever thread asks next; here it belongs to the
/// tensor whose event it is.
fn record_write(mut record: SyncOnDrop<'_>) -> std::result::Result<bool, DriverError> {
    let SyncOnDrop::Record(target) = &mut record else {
        return Ok(false);
    };
    match target.take() {
        Some((event, stream)) => event.record(stream).map(|()| true),
        None => Ok(false),
    }
}
