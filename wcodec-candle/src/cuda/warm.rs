//! What candle would otherwise make ready when a model first runs: its kernels, compiled by the driver, and cuBLAS's.
#![expect(unsafe_code, reason = "a multiplication by cuBLAS")]

use candle_core::CudaDevice;
use candle_core::cuda_backend::cudarc::cublas::sys::cublasOperation_t::CUBLAS_OP_N;
use candle_core::cuda_backend::cudarc::cublas::{CudaBlas, Gemm, GemmConfig};
use candle_core::cuda_backend::kernels::{
    AFFINE, BINARY, CAST, FILL, INDEXING, REDUCE, TERNARY, UNARY,
};
use half::bf16;
use std::error::Error;

/// One kernel of each module that language models use: finding it loads its module, which candle keeps.
const KERNELS: [(&str, &candle_core::cuda_backend::kernels::Module); 8] = [
    ("badd_bf16", &BINARY),
    ("rmsnorm_bf16", &REDUCE),
    ("usilu_bf16", &UNARY),
    ("cast_bf16_f32", &CAST),
    ("is_u32_bf16", &INDEXING),
    ("affine_bf16", &AFFINE),
    ("where_u8_bf16", &TERNARY),
    ("fill_u8", &FILL),
];
/// Rows and columns of the matrices that are multiplied.
const SIDE: usize = 64;

/// Makes a device ready. What fails here fails again, and is reported, when it is needed.
pub(super) fn warm_up(device: &CudaDevice) {
    let _ = multiply(device);
    for (kernel, module) in KERNELS {
        let _ = device.get_or_load_func(kernel, module);
    }
}

/// Multiplies with a handle of its own: candle's has a workspace that one stream at a time may use.
fn multiply(device: &CudaDevice) -> Result<(), Box<dyn Error>> {
    let stream = device.cuda_stream().context().new_stream()?;
    let blas = CudaBlas::new(stream.clone())?;
    let (a, b) = (
        stream.alloc_zeros::<bf16>(SIDE * SIDE)?,
        stream.alloc_zeros::<bf16>(SIDE * SIDE)?,
    );
    let mut c = stream.alloc_zeros::<bf16>(SIDE * SIDE)?;
    let side = i32::try_from(SIDE)?;
    let config = GemmConfig {
        transa: CUBLAS_OP_N,
        transb: CUBLAS_OP_N,
        m: side,
        n: side,
        k: side,
        alpha: bf16::ONE,
        lda: side,
        ldb: side,
        beta: bf16::ZERO,
        ldc: side,
    };
    // SAFETY: three matrices of `SIDE` x `SIDE`, which live until the stream is through with them.
    unsafe { blas.gemm(config, &a, &b, &mut c) }?;
    stream.synchronize()?;
    Ok(())
}
