//! Memory that the device and the host share, and the device's own.
#![expect(unsafe_code, reason = "memory that CUDA allocates and frees")]

use super::machine::failed;
use crate::device::Staging;
use candle_core::cuda_backend::cudarc::driver::{CudaContext, PinnedHostSlice, result, sys};
use std::ops::Range;
use std::sync::Arc;
use wcodec::Result;

/// Pinned host memory. Not write-combined: it is checked on the host.
pub(super) struct Pinned {
    memory: PinnedHostSlice<u8>,
    address: *mut u8,
    len: usize,
}

// SAFETY: the memory belongs to this value alone, and pinned memory is the same for every thread.
unsafe impl Send for Pinned {}

/// Device memory.
pub(super) struct DeviceBuffer {
    address: sys::CUdeviceptr,
    len: usize,
    context: Arc<CudaContext>,
}

impl Staging for Pinned {
    fn bytes(&mut self) -> &[u8] {
        self.shared()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: allocated with this length, zeroed, freed with `self.memory` only; exclusive as long as `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.len) }
    }
}

impl Pinned {
    /// So many bytes, all 0.
    ///
    /// # Errors
    ///
    /// `Device`: no memory.
    pub(super) fn new(context: &Arc<CudaContext>, bytes: usize) -> Result<Self> {
        // SAFETY: it is zeroed before anything reads it.
        let memory = unsafe { context.alloc_pinned_with_flags::<u8>(bytes, 0) };
        let mut memory = memory.map_err(failed("allocating pinned memory"))?;
        let address = memory
            .as_mut_ptr()
            .map_err(failed("allocating pinned memory"))?;
        // SAFETY: `bytes` bytes were allocated there.
        unsafe { address.write_bytes(0, bytes) };
        Ok(Self {
            memory,
            address,
            len: bytes,
        })
    }

    pub(super) fn shared(&self) -> &[u8] {
        // SAFETY: allocated with this length, zeroed, freed with `self.memory` only; shared as long as `self` is.
        unsafe { std::slice::from_raw_parts(self.address, self.len) }
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.memory.fmt(f)
    }
}

impl DeviceBuffer {
    /// So many bytes of any value.
    ///
    /// # Errors
    ///
    /// `Device`: no memory.
    pub(super) fn new(context: &Arc<CudaContext>, bytes: usize) -> Result<Self> {
        context
            .bind_to_thread()
            .map_err(failed("using the device"))?;
        // SAFETY: nothing reads it before it is written; `drop` frees it, once.
        let address = unsafe { result::malloc_sync(bytes) };
        Ok(Self {
            address: address.map_err(failed("allocating device memory"))?,
            len: bytes,
            context: Arc::clone(context),
        })
    }

    pub(super) fn address(&self) -> sys::CUdeviceptr {
        self.address
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The address of a range that lies within the buffer.
    pub(super) fn at(&self, range: &Range<usize>) -> Option<sys::CUdeviceptr> {
        let lies_within = range.start <= range.end && range.end <= self.len;
        lies_within.then(|| self.address + range.start as u64)
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        self.context.record_err(self.context.bind_to_thread());
        // SAFETY: allocated by `new`, and no work that uses it is left by the contract of `Machine`.
        self.context
            .record_err(unsafe { result::free_sync(self.address) });
    }
}
