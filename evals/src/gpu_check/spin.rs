//! A kernel that does nothing for a while, to make what lies behind it late.

use anyhow::Context;
use candle_core::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::{LaunchConfig, PushKernelArg};

const PTX: &str = r#"
.version 7.0
.target sm_70
.address_size 64
.visible .entry wcodec_spin(.param .u64 cycles)
{
    .reg .pred %again;
    .reg .u64 %limit, %start, %now, %spent;
    ld.param.u64 %limit, [cycles];
    mov.u64 %start, %clock64;
LOOP:
    mov.u64 %now, %clock64;
    sub.u64 %spent, %now, %start;
    setp.lt.u64 %again, %spent, %limit;
    @%again bra LOOP;
    ret;
}
"#;

/// Keeps candle's stream, this thread's, busy for so many clock cycles.
///
/// # Errors
///
/// The driver's.
#[expect(unsafe_code, reason = "launches a kernel")]
pub(super) fn spin(device: &CudaDevice, cycles: u64) -> anyhow::Result<()> {
    let kernel = device
        .get_or_load_custom_func("wcodec_spin", "wcodec_spin", PTX)
        .context("loading a kernel")?;
    let mut builder = kernel.builder();
    builder.arg(&cycles);
    let config = LaunchConfig {
        grid_dim: (1, 1, 1),
        block_dim: (1, 1, 1),
        shared_mem_bytes: 0,
    };
    // SAFETY: one number is the kernel's argument; it touches no memory.
    unsafe { builder.launch(config) }.context("launching a kernel")?;
    Ok(())
}
