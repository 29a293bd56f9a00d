//! The device of [`crate::device`] in CUDA, through the cudarc that candle has: every call that enqueues work.
#![expect(
    unsafe_code,
    reason = "CUDA's interface; each call says why it may be made"
)]

use super::memory::{DeviceBuffer, Pinned};
use crate::device::{Arguments, Lane, Machine, Staging, Stream};
use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaStream, DriverError, LaunchConfig, PushKernelArg,
    result, sys,
};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use wcodec::{Error, ErrorKind, Result};
use wcodec_kernels::{FATBIN, KERNELS, Launch};

/// Shared memory that every kernel may have without being told so.
const PLAIN_SHARED_BYTES: u32 = 48 << 10;

/// Streams and kernels of one device. As long as it lives, candle's own work on the device waits for what it reads.
pub(super) struct CudaMachine {
    context: Arc<CudaContext>,
    copy: Arc<CudaStream>,
    lanes: [Arc<CudaStream>; 2],
    kernels: HashMap<&'static str, CudaFunction>,
}

impl CudaMachine {
    /// Streams beside candle's, in the same context, and the kernels.
    ///
    /// # Errors
    ///
    /// `Device`: no driver, no memory, no kernel for this device.
    pub(super) fn new(context: &Arc<CudaContext>) -> Result<Self> {
        context
            .bind_to_thread()
            .map_err(failed("using the device"))?;
        let (least, greatest) =
            result::stream::get_priority_range().map_err(failed("asking for priorities"))?;
        let stream = |priority| {
            let stream = context.new_stream_with_priority(priority);
            stream.map_err(failed("making a stream"))
        };
        let module = context.load_module(Ptx::from_binary(FATBIN.to_vec()));
        let module = module.map_err(failed("loading the kernels"))?;
        let function = |&name: &&'static str| {
            let function = module.load_function(name);
            Ok((name, function.map_err(failed("finding a kernel"))?))
        };
        Ok(Self {
            copy: stream(least)?,
            lanes: [stream(greatest)?, stream(least)?],
            kernels: KERNELS.iter().map(function).collect::<Result<_>>()?,
            context: Arc::clone(context),
        })
    }

    /// The stream of a lane.
    pub(super) fn lane(&self, lane: Lane) -> &Arc<CudaStream> {
        let [layers, last] = &self.lanes;
        match lane {
            Lane::Layers => layers,
            Lane::Last => last,
        }
    }

    fn stream(&self, stream: Stream) -> &Arc<CudaStream> {
        match stream {
            Stream::Copy => &self.copy,
            Stream::Lane(lane) => self.lane(lane),
        }
    }

    /// Makes the context this thread's.
    fn bind(&self) -> Result<()> {
        self.context
            .bind_to_thread()
            .map_err(failed("using the device"))
    }
}

impl Machine for CudaMachine {
    type Staging = Pinned;
    type Buffer = DeviceBuffer;
    type Event = CudaEvent;

    fn staging(&self, bytes: usize) -> Result<Pinned> {
        Pinned::new(&self.context, bytes)
    }

    fn buffer(&self, bytes: usize) -> Result<DeviceBuffer> {
        DeviceBuffer::new(&self.context, bytes)
    }

    fn upload(
        &self,
        stream: Stream,
        from: &Pinned,
        range: Range<usize>,
        to: &DeviceBuffer,
    ) -> Result<()> {
        self.bind()?;
        let source = from.shared().get(range.clone());
        let (address, source) = to.at(&range).zip(source).ok_or_else(outside)?;
        // SAFETY: both ranges lie within their memory, which by the contract of `Machine` outlives what is enqueued;
        // the host does not write the range before the copy is over, which it waits for with an event.
        unsafe { result::memcpy_htod_async(address, source, self.stream(stream).cu_stream()) }
            .map_err(failed("copying to the device"))
    }

    fn fill(&self, stream: Stream, buffer: &DeviceBuffer, range: Range<usize>) -> Result<()> {
        self.bind()?;
        let address = buffer.at(&range).ok_or_else(outside)?;
        // SAFETY: the range lies within the memory, which outlives what is enqueued.
        unsafe {
            result::memset_d8_async(address, 0xff, range.len(), self.stream(stream).cu_stream())
        }
        .map_err(failed("filling device memory"))
    }

    fn download(
        &self,
        stream: Stream,
        from: &DeviceBuffer,
        range: Range<usize>,
        to: &mut Pinned,
    ) -> Result<()> {
        self.bind()?;
        let address = from.at(&range);
        let target = to.bytes_mut().get_mut(range);
        let (address, target) = address.zip(target).ok_or_else(outside)?;
        // SAFETY: both ranges lie within their memory, which outlives what is enqueued; the host does not touch the
        // range before the copy is over, which it waits for with an event.
        unsafe { result::memcpy_dtoh_async(target, address, self.stream(stream).cu_stream()) }
            .map_err(failed("copying from the device"))
    }

    fn launch(
        &self,
        stream: Stream,
        launch: &Launch,
        arguments: &Arguments<'_, DeviceBuffer>,
    ) -> Result<()> {
        self.bind()?;
        let function = self.kernels.get(launch.kernel).ok_or_else(outside)?;
        if launch.shared_bytes > PLAIN_SHARED_BYTES {
            let attribute =
                sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(launch.shared_bytes).unwrap_or(i32::MAX);
            let raised = function.set_attribute(attribute, bytes);
            raised.map_err(failed("asking for shared memory"))?;
        }
        let statuses = arguments
            .work
            .at(&(arguments.statuses..arguments.work.len()))
            .ok_or_else(outside)?;
        let (payload, work) = (arguments.payload.address(), arguments.work.address());
        let scratch = arguments.scratch.map_or(0, |scratch| scratch.address());
        let config = LaunchConfig {
            grid_dim: (launch.grid, 1, 1),
            block_dim: (launch.block, 1, 1),
            shared_mem_bytes: launch.shared_bytes,
        };
        let mut builder = self.stream(stream).launch_builder(function);
        builder.arg(&payload).arg(&work);
        builder.arg(&scratch).arg(&statuses);
        builder.arg(&launch.first).arg(&launch.count);
        // SAFETY: these are the arguments of every kernel of `KERNELS`, and the buffers hold what `WorkList` laid out
        // for them: its work at `work`, as many statuses and as much scratch as it asked for, and payloads and outputs
        // where it was told that they lie, which whoever made the `Target` keeps allocated. The kernels write nothing
        // else, whatever the payloads hold.
        let launched = unsafe { builder.launch(config) };
        launched.map(drop).map_err(failed("launching a kernel"))
    }

    fn record(&self, stream: Stream) -> Result<CudaEvent> {
        self.stream(stream)
            .record_event(None)
            .map_err(failed("recording an event"))
    }

    fn wait(&self, stream: Stream, event: &CudaEvent) -> Result<()> {
        self.stream(stream)
            .wait(event)
            .map_err(failed("waiting for an event"))
    }

    fn is_over(&self, event: &CudaEvent) -> Result<bool> {
        self.bind()?;
        event.try_is_complete().map_err(failed("decoding"))
    }

    fn synchronize(&self, event: &CudaEvent) -> Result<()> {
        event.synchronize().map_err(failed("decoding"))
    }

    fn drain(&self, stream: Stream) -> Result<()> {
        self.stream(stream)
            .synchronize()
            .map_err(failed("decoding"))
    }
}

/// The error of a driver call.
pub(super) fn failed(what: &'static str) -> impl Fn(DriverError) -> Error {
    move |DriverError(code)| {
        let what = match code {
            sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => "out of memory: allocating",
            sys::CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU => "no kernel for this GPU: loading",
            sys::CUresult::CUDA_ERROR_STUB_LIBRARY => "no CUDA driver: using the device",
            _ => what,
        };
        let code = i32::try_from(code as u32).unwrap_or(i32::MAX);
        ErrorKind::Device { what, code }.into()
    }
}

/// A range or a kernel that does not exist: a mistake of this crate.
fn outside() -> Error {
    let what = "a device operation outside its memory";
    ErrorKind::InvalidArgument { what }.into()
}
