//! The kernels on the CPU: the same sources, compiled as C++ and run by the emulator in `emu/`, for tests on machines
//! without a GPU.
//!
//! It reports lanes that miss a collective or name a wrong mask, accesses that are not aligned or beyond an array, and,
//! through [`Memory`], those beyond a buffer. Different [`Schedule`]s show missing synchronisation as different
//! results.
#![expect(unsafe_code, reason = "calls of C++, memory that it gives")]

use crate::{Launch, Work};
use std::ffi::{CStr, CString, c_char};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Which lane, warp and block runs first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// The lowest.
    Ascending,
    /// The highest.
    Descending,
    /// Any, by this seed.
    Random(u64),
}

impl Schedule {
    fn id_and_seed(self) -> (u32, u64) {
        match self {
            Self::Ascending => (0, 0),
            Self::Descending => (1, 0),
            Self::Random(seed) => (2, seed),
        }
    }
}

/// Memory of the emulated device, at a multiple of 16. Behind it (up to 15 bytes) and before it lie pages that cannot
/// be touched.
#[derive(Debug)]
pub struct Memory {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: it owns what it points at, as a vector does.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// What a kernel is called with; as `Call` in `emu/emulation.cpp`.
#[repr(C)]
struct Call {
    kernel: usize,
    payload: *const u8,
    work: *const u8,
    scratch: *mut u8,
    status: *mut u32,
    first: u32,
    count: u32,
}

unsafe extern "C" {
    fn wcodec_emu_launch(
        name: *const c_char,
        grid: u32,
        block: u32,
        arguments: *const Call,
        schedule: u32,
        seed: u64,
    ) -> *const c_char;
    fn wcodec_emu_allocate(bytes: usize) -> *mut u8;
    fn wcodec_emu_is_intact(memory: *const u8, bytes: usize) -> bool;
    fn wcodec_emu_free(memory: *mut u8, bytes: usize);
}

impl Memory {
    /// `len` bytes of no particular value.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn new(len: usize) -> std::io::Result<Self> {
        // SAFETY: it has no requirement.
        let start = unsafe { wcodec_emu_allocate(len) };
        let start = NonNull::new(start).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, len })
    }

    /// A copy of `bytes`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_bytes(bytes: &[u8]) -> std::io::Result<Self> {
        let mut memory = Self::new(bytes.len())?;
        memory.copy_from_slice(bytes);
        Ok(memory)
    }

    /// Its address, which kernels know it by.
    pub fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// Whether the bytes before it and behind it, as far as they can be written, are as they were.
    pub fn is_intact(&self) -> bool {
        // SAFETY: start and length are those of an allocation.
        unsafe { wcodec_emu_is_intact(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: start and length are those of an allocation, which nobody uses any more.
        unsafe { wcodec_emu_free(self.start.as_ptr(), self.len) }
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: an allocation of this length, every byte of it written when it was made.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Runs a work list on `payload`; returns its statuses.
///
/// # Errors
///
/// What the emulator has to report, or that there is no memory.
///
/// # Safety
///
/// The outputs that were pushed on the list are memory of as many bytes as their plans decode to, which nobody else
/// uses meanwhile.
pub unsafe fn run(work: &Work, payload: &Memory, schedule: Schedule) -> Result<Vec<u32>, String> {
    let text = |error: std::io::Error| error.to_string();
    let bytes = Memory::from_bytes(&work.bytes).map_err(text)?;
    let scratch_bytes = usize::try_from(work.scratch_bytes).map_err(|error| error.to_string())?;
    let mut scratch = Memory::new(scratch_bytes).map_err(text)?;
    let mut status = Memory::new(work.num_statuses * size_of::<u32>()).map_err(text)?;
    status.fill(0xff); // `NOT_DECODED`
    let before = bytes.to_vec();
    for launch in &work.launches {
        let call = Call {
            kernel: 0,
            payload: payload.start.as_ptr(),
            work: bytes.start.as_ptr(),
            scratch: scratch.as_mut_ptr(),
            status: status.as_mut_ptr().cast(),
            first: launch.first,
            count: launch.count,
        };
        // SAFETY: buffers of the lengths that the work list names; the outputs are the caller's promise.
        unsafe { launch_one(launch, &call, schedule) }?;
    }
    for (memory, what) in [
        (payload, "payload"),
        (&bytes, "work"),
        (&scratch, "scratch"),
        (&status, "status"),
    ] {
        if !memory.is_intact() {
            return Err(format!("a kernel wrote beyond the {what}"));
        }
    }
    if *bytes != before {
        return Err("a kernel wrote into the work list".into());
    }
    let (words, _) = status.as_chunks::<4>();
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

/// Launches one kernel.
///
/// # Safety
///
/// As the kernel's arguments demand.
unsafe fn launch_one(launch: &Launch, call: &Call, schedule: Schedule) -> Result<(), String> {
    let name = CString::new(launch.kernel).map_err(|error| error.to_string())?;
    let (schedule, seed) = schedule.id_and_seed();
    // SAFETY: the name ends with a zero, the arguments are the caller's promise.
    let error = unsafe {
        wcodec_emu_launch(
            name.as_ptr(),
            launch.grid,
            launch.block,
            call,
            schedule,
            seed,
        )
    };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: a text that ends with a zero and stays until the next launch of this thread.
    let error = unsafe { CStr::from_ptr(error) };
    Err(format!("{}: {}", launch.kernel, error.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs one of the kernels that do wrong on purpose; returns the status, or what was reported.
    fn wrong(
        kernel: &'static str,
        block: u32,
        first: u32,
        schedule: Schedule,
    ) -> (Result<u32, String>, bool) {
        let mut scratch = Memory::new(64).unwrap();
        let mut status = Memory::new(4).unwrap();
        status.fill(0);
        let launch = Launch {
            kernel,
            grid: 1,
            block,
            shared_bytes: 0,
            first,
            count: 1,
        };
        let call = Call {
            kernel: 0,
            payload: std::ptr::null(),
            work: std::ptr::null(),
            scratch: scratch.as_mut_ptr(),
            status: status.as_mut_ptr().cast(),
            first,
            count: 1,
        };
        // SAFETY: these kernels touch status and scratch alone, the latter at most in the pages around it.
        let result = unsafe { launch_one(&launch, &call, schedule) };
        let word = *status.first_chunk().unwrap();
        (
            result.map(|()| u32::from_le_bytes(word)),
            scratch.is_intact(),
        )
    }

    #[test]
    fn what_is_wrong_is_reported() {
        for schedule in [
            Schedule::Ascending,
            Schedule::Descending,
            Schedule::Random(3),
        ] {
            let (missing, _) = wrong("missing_lane", 64, 0, schedule);
            let missing = missing.unwrap_err();
            assert!(
                missing.contains("deadlock") && missing.contains("__ballot_sync"),
                "{missing}"
            );
            let (mask, _) = wrong("wrong_mask", 32, 0, schedule);
            assert!(mask.unwrap_err().contains("not in its own mask"));
        }
        assert!(
            wrong("no such kernel", 32, 0, Schedule::Ascending)
                .0
                .is_err()
        );
    }

    #[test]
    fn schedules_tell_a_race() {
        let [ascending, descending] = [Schedule::Ascending, Schedule::Descending]
            .map(|schedule| wrong("race", 32, 0, schedule).0.unwrap());
        assert_eq!((ascending, descending), (0xcdcd_cdcd, 1));
    }

    #[test]
    fn memory_tells_who_writes_beyond_it() {
        assert!(wrong("beyond", 32, 63, Schedule::Ascending).1);
        assert!(!wrong("beyond", 32, u32::MAX, Schedule::Ascending).1);
    }
}
