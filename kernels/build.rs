//! Compiles the kernels: by nvcc with feature `cuda`, by the C++ compiler with feature `emulation`, not at all without.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// GPUs that kernels are compiled for, as far as the compiler knows them; later ones compile [`PTX`].
const GPUS: [u32; 6] = [80, 86, 89, 90, 100, 120];
/// The virtual GPU of the PTX that is added.
const PTX: u32 = 80;

fn main() -> Result<(), Box<dyn Error>> {
    for source in ["cuda", "emu", "include"] {
        println!("cargo:rerun-if-changed={source}");
    }
    let is_on = |feature: &str| std::env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    #[cfg(feature = "emulation")]
    emulation();
    if is_on("CUDA") {
        for variable in ["NVCC", "PATH", "CUDA_HOME", "CUDA_PATH"] {
            println!("cargo:rerun-if-env-changed={variable}");
        }
        let out = PathBuf::from(std::env::var("OUT_DIR")?).join("wcodec.fatbin");
        fatbin(&nvcc(), &out)?;
    }
    Ok(())
}

/// The compiler: `NVCC`, or the one of `CUDA_HOME` or `CUDA_PATH`, or that of the search path.
fn nvcc() -> PathBuf {
    if let Some(nvcc) = std::env::var_os("NVCC") {
        return nvcc.into();
    }
    let homes = ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(std::env::var_os);
    let mut compilers = homes.map(|home| Path::new(&home).join("bin/nvcc"));
    compilers
        .find(|nvcc| nvcc.is_file())
        .unwrap_or_else(|| "nvcc".into())
}

/// Runs the compiler.
fn run(nvcc: &Path, arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(nvcc).args(arguments).output();
    let output = output.map_err(|error| {
        format!(
            "{}: {error}; feature `cuda` needs the CUDA compiler: set NVCC or CUDA_HOME, or put it on PATH",
            nvcc.display()
        )
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!(
        "{} {}: {}\n{said}",
        nvcc.display(),
        arguments.join(" "),
        output.status
    )
    .into())
}

fn fatbin(nvcc: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let known = run(nvcc, &["--list-gpu-code".into()])?;
    let mut arguments: Vec<String> = [
        "-std=c++17",
        "-O3",
        "-fatbin",
        "--compress-mode=size",
        "--threads=0",
        "-Icuda",
        "-Iinclude",
    ]
    .map(String::from)
    .to_vec();
    for gpu in GPUS
        .iter()
        .filter(|gpu| known.lines().any(|line| line.trim() == format!("sm_{gpu}")))
    {
        arguments.push(format!("-gencode=arch=compute_{gpu},code=sm_{gpu}"));
    }
    arguments.push(format!("-gencode=arch=compute_{PTX},code=compute_{PTX}"));
    arguments.extend([
        "-o".into(),
        out.to_string_lossy().into_owned(),
        "cuda/wcodec.cu".into(),
    ]);
    run(nvcc, &arguments)?;
    if !out.is_file() {
        // A stand-in for the compiler, where nothing but types is to be checked.
        std::fs::write(out, [])?;
        println!("cargo:warning={} wrote no kernels", nvcc.display());
    }
    Ok(())
}

/// The kernels for the CPU, with checks of what C++ leaves undefined.
#[cfg(feature = "emulation")]
fn emulation() {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .include("emu")
        .include("include")
        .file("emu/emulation.cpp");
    build.flag("-Wno-unknown-pragmas").flag("-ffp-contract=off");
    build.flag("-fno-sanitize-recover=all");
    // `kernels/sanitize` asks for it, and sees to it that the library is there when the tests run.
    println!("cargo:rerun-if-env-changed=WCODEC_SANITIZE_ADDRESSES");
    let library = if std::env::var_os("WCODEC_SANITIZE_ADDRESSES").is_some() {
        build.flag("-fsanitize=address");
        "asan"
    } else {
        build.flag("-fsanitize=alignment,bounds,shift,signed-integer-overflow,null");
        "ubsan"
    };
    // A name for each, so that what is linked is never the other one, left from before.
    build.compile(&format!("wcodec_emulation_{library}"));
    println!("cargo:rustc-link-lib=dylib={library}");
}
