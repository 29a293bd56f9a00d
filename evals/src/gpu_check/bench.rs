//! How fast the kernels decode, beside a copy on the device.

use super::inputs;
use super::report::Report;
use anyhow::{Context, ensure};
use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, sys,
};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use safetensors::Dtype;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use wcodec::Reader;
use wcodec_kernels::{Element, FATBIN, KERNELS, NOT_DECODED, Work, WorkList, status_error};

const REPEATS: usize = 20;
const ROWS: usize = 8192;
const COLUMNS: usize = 16_384;

/// A tensor's payload, work and output on the device.
struct Prepared {
    stream: Arc<CudaStream>,
    kernels: HashMap<&'static str, CudaFunction>,
    work: Work,
    payload: CudaSlice<u8>,
    list: CudaSlice<u8>,
    scratch: CudaSlice<u8>,
    statuses: CudaSlice<u32>,
    output: CudaSlice<u8>,
}

pub(super) fn run(report: &mut Report, device: &Device) -> anyhow::Result<()> {
    let cases = [
        (Dtype::BF16, Element::Same, 2),
        (Dtype::BF16, Element::F16, 2),
        (Dtype::BF16, Element::F32, 4),
        (Dtype::F16, Element::Same, 2),
        (Dtype::F32, Element::Same, 4),
        (Dtype::U8, Element::Same, 1),
        (Dtype::F8_E4M3, Element::Same, 1),
    ];
    for (dtype, element, output_bytes) in cases {
        report.bench(&format!("decode {dtype:?} as {element:?}"), || {
            let files = inputs::matrix(dtype, ROWS, COLUMNS)?;
            let reader = Reader::open(&files.wcodec)?;
            let mut prepared = prepare(&reader, device, (element, output_bytes))?;
            measure(&mut prepared, &reader, element)
        });
    }
    Ok(())
}

fn prepare(
    reader: &Reader,
    device: &Device,
    (element, bytes): (Element, u64),
) -> anyhow::Result<Prepared> {
    let stream = device.as_cuda_device()?.cuda_stream();
    let module = stream
        .context()
        .load_module(Ptx::from_binary(FATBIN.to_vec()))?;
    let function = |&name: &&'static str| anyhow::Ok((name, module.load_function(name)?));
    let id = reader.find("weight").context("no such tensor")?;
    let info = reader.info(id);
    let stored = info.raw_bytes / info.num_elems();
    let output = stream.alloc_zeros::<u8>(usize::try_from(info.num_elems() * bytes)?)?;
    let (address, _) = output.device_ptr(&stream);
    let (mut list, mut payload) = (WorkList::new(), Vec::new());
    for (number, part) in reader.parts(id).into_iter().enumerate() {
        let at = payload.len().next_multiple_of(16);
        payload.resize(at + usize::try_from(part.file.end - part.file.start)?, 0);
        let own = payload.get_mut(at..).unwrap_or_default();
        reader.read_at(part.file.start, own)?;
        let plan = reader.plan_part(id, number, own)?;
        list.push(
            &plan,
            at as u64,
            address + part.raw.start / stored * bytes,
            element,
        )?;
    }
    let work = list.finish();
    Ok(Prepared {
        kernels: KERNELS
            .iter()
            .map(function)
            .collect::<anyhow::Result<_>>()?,
        payload: stream.clone_htod(&payload)?,
        list: stream.clone_htod(&work.bytes)?,
        scratch: stream.alloc_zeros(usize::try_from(work.scratch_bytes)?.max(16))?,
        statuses: stream.clone_htod(&vec![NOT_DECODED; work.num_statuses.max(1)])?,
        output,
        stream,
        work,
    })
}

impl Prepared {
    #[expect(unsafe_code, reason = "launches kernels")]
    fn launch(&mut self) -> anyhow::Result<()> {
        let (payload, _payload) = self.payload.device_ptr(&self.stream);
        let (list, _list) = self.list.device_ptr(&self.stream);
        let (scratch, _scratch) = self.scratch.device_ptr_mut(&self.stream);
        let (statuses, _statuses) = self.statuses.device_ptr_mut(&self.stream);
        for launch in &self.work.launches {
            let function = self.kernels.get(launch.kernel).context("no such kernel")?;
            let mut builder = self.stream.launch_builder(function);
            builder
                .arg(&payload)
                .arg(&list)
                .arg(&scratch)
                .arg(&statuses);
            builder.arg(&launch.first).arg(&launch.count);
            let config = LaunchConfig {
                grid_dim: (launch.grid, 1, 1),
                block_dim: (launch.block, 1, 1),
                shared_mem_bytes: launch.shared_bytes,
            };
            // SAFETY: the arguments of every kernel; buffers as long as the work list asks, and an output as long as
            // the tensor.
            unsafe { builder.launch(config) }?;
        }
        Ok(())
    }

    /// Milliseconds of each of several runs, by the device's clock.
    fn times(
        &mut self,
        mut run: impl FnMut(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<f32>> {
        let flags = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
        let mut times = Vec::new();
        for _ in 0..=REPEATS {
            let start = self.stream.record_event(flags)?;
            run(self)?;
            let end = self.stream.record_event(flags)?;
            times.push(start.elapsed_ms(&end)?);
        }
        times.remove(0); // the first one warms up
        times.sort_by(f32::total_cmp);
        Ok(times)
    }
}

/// Decodes and compares, then decodes and copies in turn.
fn measure(prepared: &mut Prepared, reader: &Reader, element: Element) -> anyhow::Result<Value> {
    prepared.launch()?;
    let statuses = prepared.stream.clone_dtoh(&prepared.statuses)?;
    if let Some(&code) = statuses.iter().find(|&&code| code != 0) {
        anyhow::bail!("a chunk was refused: {}", status_error(code));
    }
    if element == Element::Same {
        let id = reader.find("weight").context("no such tensor")?;
        let mut expected = vec![0; usize::try_from(reader.info(id).raw_bytes)?];
        reader.decode_bytes(id, &mut expected)?;
        ensure!(
            prepared.stream.clone_dtoh(&prepared.output)? == expected,
            "decoded to other bytes"
        );
    }
    let bytes = prepared.output.len() as f64;
    let mut copy = prepared.stream.alloc_zeros::<u8>(prepared.output.len())?;
    let decode = prepared.times(Prepared::launch)?;
    let copied = prepared
        .times(|prepared| Ok(prepared.stream.memcpy_dtod(&prepared.output, &mut copy)?))?;
    let median = |times: &[f32]| f64::from(times.get(times.len() / 2).copied().unwrap_or(f32::NAN));
    let speed = |times: &[f32]| bytes / 1e6 / median(times);
    Ok(json!({
        "output_bytes": bytes,
        "payload_bytes": prepared.payload.len(),
        "work_bytes": prepared.work.bytes.len(),
        "decode_gb_per_s": speed(&decode),
        "copy_gb_per_s": speed(&copied),
        "decode_ms": { "median": median(&decode), "fastest": decode.first(), "slowest": decode.last() },
        "of_copy": speed(&decode) / speed(&copied),
    }))
}
