//! The wcodec bitstream for CUDA.
//!
//! A host checks and plans the parts of tensors (`wcodec::device`), pushes the plans on a [`WorkList`], and gets from
//! it what to upload and which kernels to launch: the chunks of many tensors in a few launches, one warp a chunk. This
//! crate knows the bitstream and CUDA's language; it talks to no driver.
//!
//! | folder | what |
//! |---|---|
//! | `cuda/` | the kernels, in files named after the modules of `wcodec` that they mirror |
//! | `include/` | constants of FORMAT.md ([`FORMAT_H`]), the work list ([`WORK_H`]): generated, compared by a test |
//! | `emu/` | a CPU emulator of what the kernels need of CUDA, behind the feature `emulation` |
//!
//! Features: `cuda` compiles the kernels with `nvcc` into `FATBIN`; `emulation` compiles them with the C++ compiler and
//! runs them on the CPU (`emulation`). Without them nothing but Rust is needed.

#[cfg(feature = "emulation")]
pub mod emulation;
mod kernel;
mod layout;
mod status;
mod tables;
mod work;

pub use kernel::Element;
pub use layout::work_header;
pub use status::{NOT_DECODED, status_error};
pub use work::{Launch, Work, WorkList};

/// The format's constants as a C header.
///
/// # Examples
///
/// ```
/// assert!(wcodec_kernels::FORMAT_H.contains("#define WCODEC_RANS_STATE_MIN 65536"));
/// ```
pub const FORMAT_H: &str = include_str!("../include/wcodec_format.h");

/// The records of a work list, and the ids in it, as a C header.
///
/// # Examples
///
/// ```
/// assert!(wcodec_kernels::WORK_H.contains("struct WcodecChunk {"));
/// ```
pub const WORK_H: &str = include_str!("../include/wcodec_work.h");

/// The names of all kernels, to be looked up in the module.
///
/// Each has the signature `void (const uint8_t* payload, const uint8_t* work, uint8_t* scratch, uint32_t* status,
/// uint32_t first, uint32_t count)`.
pub const KERNELS: &[&str] = kernel::KERNELS;

/// The kernels for every GPU that the compiler knows, and PTX for those after them: a fatbin, for `cuModuleLoadData`.
#[cfg(feature = "cuda")]
pub const FATBIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/wcodec.fatbin"));
