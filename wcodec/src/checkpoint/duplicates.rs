//! Tensors that are stored once though a checkpoint holds them twice: tied and copied weights.

use super::source::Checkpoint;
use crate::Dtype;
use crate::container::TensorSpec;
use crate::error::Result;
use std::collections::HashMap;

/// A tensor to write: its payload, or that of the tensor `duplicate_of` steps into the same list.
pub(super) struct Job<'a> {
    pub(super) spec: &'a TensorSpec,
    pub(super) duplicate_of: Option<usize>,
}

/// Bytes compared at a time, and bytes looked at before two tensors are compared in full.
const COMPARED_BYTES: u64 = 1 << 20;
const FINGERPRINT_BYTES: u64 = 4096;

/// What tensors with the same bytes have in common: dtype, shape and fingerprint.
type Key<'a> = (Dtype, &'a [u64], [u8; 32]);

/// Finds tensors with the dtype, shape and bytes of an earlier one.
pub(super) fn find_duplicates<'a>(
    checkpoint: &Checkpoint,
    specs: Vec<&'a TensorSpec>,
) -> Result<Vec<Job<'a>>> {
    let mut originals: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
    let mut jobs: Vec<Job<'a>> = Vec::with_capacity(specs.len());
    for spec in specs {
        let mut duplicate_of = None;
        if spec.raw_bytes > 0 {
            let key = (
                spec.dtype,
                spec.shape.as_slice(),
                fingerprint(checkpoint, spec)?,
            );
            let alike = originals.entry(key).or_default();
            for &candidate in alike.iter() {
                if same_bytes(checkpoint, jobs[candidate].spec, spec)? {
                    duplicate_of = Some(candidate);
                    break;
                }
            }
            if duplicate_of.is_none() {
                alike.push(jobs.len());
            }
        }
        jobs.push(Job { spec, duplicate_of });
    }
    Ok(jobs)
}

/// A digest of a tensor's first, middle and last bytes.
fn fingerprint(checkpoint: &Checkpoint, spec: &TensorSpec) -> Result<[u8; 32]> {
    let len = FINGERPRINT_BYTES.min(spec.raw_bytes);
    let mut hasher = blake3::Hasher::new();
    for first in [0, (spec.raw_bytes - len) / 2, spec.raw_bytes - len] {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        checkpoint.read(spec, first, &mut bytes)?;
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().into())
}

fn same_bytes(checkpoint: &Checkpoint, a: &TensorSpec, b: &TensorSpec) -> Result<bool> {
    let mut first = 0;
    while first < a.raw_bytes {
        let len = usize::try_from(COMPARED_BYTES.min(a.raw_bytes - first)).unwrap_or(usize::MAX);
        let (mut left, mut right) = (vec![0; len], vec![0; len]);
        checkpoint.read(a, first, &mut left)?;
        checkpoint.read(b, first, &mut right)?;
        if left != right {
            return Ok(false);
        }
        first += len as u64;
    }
    Ok(true)
}
