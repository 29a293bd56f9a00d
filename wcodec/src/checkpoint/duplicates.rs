//! Tensors that are stored once though a checkpoint holds them twice: tied and copied weights.

use super::source::Checkpoint;
use crate::Dtype;
use crate::container::TensorSpec;
use crate::error::Result;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A tensor to write: its payload, or that of the tensor `duplicate_of` steps into the same list.
pub(super) struct Job<'a> {
    pub(super) spec: &'a TensorSpec,
    pub(super) duplicate_of: Option<usize>,
    /// BLAKE3 of its bytes, where that was needed to tell.
    pub(super) digest: Option<Digest>,
}

/// Bytes hashed at a time, and bytes looked at before two tensors are read in full.
const WINDOW_BYTES: u64 = 1 << 20;
const FINGERPRINT_BYTES: u64 = 4096;

pub(super) type Digest = [u8; 32];

/// What tensors that may be the same have in common: dtype, shape and fingerprint.
type Key<'a> = (Dtype, &'a [u64], Digest);

/// The tensors of one key: the first, by its job, and once there are more all of them by their bytes' digest.
enum Alike {
    One(usize),
    Many(HashMap<Digest, usize>),
}

/// Finds tensors with the dtype, shape and bytes (by their BLAKE3) of an earlier one. A tensor is read in full at most
/// once, and only if its first, middle and last bytes are those of another one.
pub(super) fn find_duplicates<'a>(
    checkpoint: &Checkpoint<'_>,
    specs: Vec<&'a TensorSpec>,
) -> Result<Vec<Job<'a>>> {
    let mut alike: HashMap<Key<'_>, Alike> = HashMap::new();
    let mut jobs: Vec<Job<'a>> = Vec::with_capacity(specs.len());
    for spec in specs {
        let (mut duplicate_of, mut own_digest) = (None, None);
        if spec.raw_bytes > 0 {
            let key = (
                spec.dtype,
                spec.shape.as_slice(),
                fingerprint(checkpoint, spec)?,
            );
            match alike.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(Alike::One(jobs.len()));
                }
                Entry::Occupied(mut place) => {
                    if let Alike::One(first) = *place.get() {
                        let digest = digest(checkpoint, jobs[first].spec)?;
                        jobs[first].digest = Some(digest);
                        place.insert(Alike::Many(HashMap::from([(digest, first)])));
                    }
                    if let Alike::Many(digests) = place.get_mut() {
                        let digest = digest(checkpoint, spec)?;
                        own_digest = Some(digest);
                        match digests.entry(digest) {
                            Entry::Vacant(place) => {
                                place.insert(jobs.len());
                            }
                            Entry::Occupied(original) => duplicate_of = Some(*original.get()),
                        }
                    }
                }
            }
        }
        jobs.push(Job {
            spec,
            duplicate_of,
            digest: own_digest,
        });
    }
    Ok(jobs)
}

/// BLAKE3 of a tensor's first, middle and last bytes.
fn fingerprint(checkpoint: &Checkpoint<'_>, spec: &TensorSpec) -> Result<Digest> {
    let len = FINGERPRINT_BYTES.min(spec.raw_bytes);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let mut hasher = blake3::Hasher::new();
    for first in [0, (spec.raw_bytes - len) / 2, spec.raw_bytes - len] {
        checkpoint.read(spec, first, &mut bytes)?;
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().into())
}

/// BLAKE3 of all of a tensor's bytes.
fn digest(checkpoint: &Checkpoint<'_>, spec: &TensorSpec) -> Result<Digest> {
    let mut bytes = Vec::new();
    let mut hasher = blake3::Hasher::new();
    let mut first = 0;
    while first < spec.raw_bytes {
        let len = WINDOW_BYTES.min(spec.raw_bytes - first);
        bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        checkpoint.read(spec, first, &mut bytes)?;
        hasher.update_rayon(&bytes);
        first += len;
    }
    Ok(hasher.finalize().into())
}
