//! `wcodec inspect --planes`: what a reader that stops before the last plane reads, and how far off it is.

use super::text::table;
use crate::units;
use serde::Serialize;
use std::path::Path;
use wcodec::{Dtype, Reader, TensorInfo};

/// What is shown.
#[derive(Serialize)]
pub(super) struct PlanesView<'a> {
    file: &'a Path,
    stops: Vec<Stop>,
}

/// All tensors of a dtype, read up to a plane.
#[derive(Serialize)]
struct Stop {
    dtype: String,
    planes: usize,
    bytes: u64,
    /// Of all bytes of these tensors.
    share: f64,
    relative_error: f64,
}

impl<'a> PlanesView<'a> {
    pub(super) fn of(reader: &Reader, file: &'a Path) -> Self {
        let floats = [Dtype::F64, Dtype::F32, Dtype::BF16, Dtype::F16];
        let stops = floats.into_iter().flat_map(|dtype| {
            let tensors = reader.tensors().iter().filter(|info| info.dtype == dtype);
            stops(dtype, &tensors.collect::<Vec<&TensorInfo>>())
        });
        Self {
            file,
            stops: stops.collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        if self.stops.is_empty() {
            return "no float tensors\n".to_owned();
        }
        let rows = self.stops.iter().map(|stop| {
            vec![
                stop.dtype.clone(),
                stop.planes.to_string(),
                units::bytes(stop.bytes),
                format!("{:.1} %", 100.0 * stop.share),
                match stop.relative_error {
                    0.0 => "exact".to_owned(),
                    error if error >= 2.0 => "no sign".to_owned(),
                    error => format!("{error:.1e}"),
                },
            ]
        });
        table(
            &["dtype", ">planes", ">read", ">of all", ">relative error"],
            rows,
        )
    }
}

/// From all planes to none.
fn stops(dtype: Dtype, tensors: &[&TensorInfo]) -> Vec<Stop> {
    let all: u64 = tensors.iter().map(|info| info.coded_bytes()).sum();
    let most = tensors
        .iter()
        .map(|info| info.truncation(0).planes_left_out)
        .max();
    let stop = |planes| {
        let left_out = tensors.iter().map(|info| info.truncation(planes));
        let bytes_left_out: u64 = left_out.clone().map(|stop| stop.bytes_left_out).sum();
        let bytes = all.saturating_sub(bytes_left_out);
        Stop {
            dtype: dtype.to_string(),
            planes,
            bytes,
            share: bytes as f64 / all.max(1) as f64,
            relative_error: left_out.map(|stop| stop.relative_error).fold(0.0, f64::max),
        }
    };
    most.map_or_else(Vec::new, |most| (0..=most).rev().map(stop).collect())
}
