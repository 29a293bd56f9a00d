//! What has been asked for, what lies decoded, and what to decode next. Tensors are known by their place in the file.

use candle_core::{DType, Tensor};
use std::collections::HashMap;

/// What choosing needs to know of a tensor; it never changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Its name's template, by number.
    pub(super) template: usize,
    /// Whether it belongs to a layer that the model runs.
    pub(super) in_layer: bool,
    pub(super) num_elems: u64,
    /// Its bytes in the checkpoint.
    pub(super) raw_bytes: u64,
}

impl Candidate {
    /// Its bytes once decoded.
    fn decoded_bytes(&self, dtype: DType) -> u64 {
        match dtype.size_in_bytes() {
            0 => self.raw_bytes, // packed
            size => self.num_elems.saturating_mul(size as u64),
        }
    }
}

/// A tensor to decode ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) index: usize,
    pub(super) dtype: DType,
    bytes: u64,
}

/// How far a tensor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Untouched,
    /// Asked for, or could not be decoded ahead: only `get` decodes it.
    LeftToGet,
    HandedOut,
}

/// What was handed out since counting began, each tensor once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tensors: usize,
    pub(super) bytes: u64,
}

/// Everything that changes, behind one lock.
#[derive(Debug)]
pub(super) struct State {
    /// Whether to decode ahead at all.
    pub(super) enabled: bool,
    /// Tensors that are being decoded on demand.
    pub(super) demands: usize,
    in_progress: Vec<Job>,
    marks: Vec<Mark>,
    /// For each template, the dtype in which one of its tensors was last asked for.
    asked: Vec<Option<DType>>,
    /// The tensor last asked for.
    cursor: usize,
    ready: HashMap<usize, (Job, Tensor)>,
    ready_bytes: u64,
    /// Whether nothing can be decoded ahead until another template is asked for.
    exhausted: bool,
    counts: Counts,
}

impl State {
    pub(super) fn new(num_tensors: usize, num_templates: usize) -> Self {
        Self {
            enabled: true,
            demands: 0,
            in_progress: Vec::new(),
            marks: vec![Mark::Untouched; num_tensors],
            asked: vec![None; num_templates],
            cursor: 0,
            ready: HashMap::new(),
            ready_bytes: 0,
            exhausted: false,
            counts: Counts::default(),
        }
    }

    /// Begins anew, as if nothing had been asked for. Returns what lay ready, to be dropped outside the lock.
    pub(super) fn reset(&mut self) -> Vec<Tensor> {
        self.marks.fill(Mark::Untouched);
        self.asked.fill(None);
        self.cursor = 0;
        self.exhausted = false;
        self.counts = Counts::default();
        self.clear()
    }

    /// Forgets what lies ready and returns it.
    pub(super) fn clear(&mut self) -> Vec<Tensor> {
        self.ready_bytes = 0;
        self.ready.drain().map(|(_, (_, tensor))| tensor).collect()
    }

    /// Notes that a tensor is asked for.
    pub(super) fn ask(&mut self, candidates: &[Candidate], index: usize, dtype: DType) {
        self.cursor = index;
        if let Some(mark) = self
            .marks
            .get_mut(index)
            .filter(|mark| **mark == Mark::Untouched)
        {
            *mark = Mark::LeftToGet;
        }
        let asked = candidates
            .get(index)
            .and_then(|candidate| self.asked.get_mut(candidate.template));
        if let Some(asked) = asked.filter(|asked| **asked != Some(dtype)) {
            *asked = Some(dtype);
            self.exhausted = false;
        }
    }

    /// Whether a tensor is being decoded ahead in that dtype.
    pub(super) fn is_in_progress(&self, index: usize, dtype: DType) -> bool {
        let mut jobs = self.in_progress.iter();
        jobs.any(|job| job.index == index && job.dtype == dtype)
    }

    /// Tensors that are being decoded ahead.
    pub(super) fn num_in_progress(&self) -> usize {
        self.in_progress.len()
    }

    /// Takes out what lies ready of a tensor, and gives its bytes back to the budget. The tensor only serves if it
    /// has the dtype asked for.
    pub(super) fn take(&mut self, index: usize) -> Option<Tensor> {
        let (job, tensor) = self.ready.remove(&index)?;
        self.ready_bytes -= job.bytes;
        Some(tensor)
    }

    /// The next tensor to decode ahead, if there is one and `budget` bytes have room for it: in file order behind the
    /// one last asked for, then from the beginning. It counts as in progress from now on.
    pub(super) fn start(&mut self, candidates: &[Candidate], budget: u64) -> Option<Job> {
        if self.exhausted || !self.enabled || self.demands > 0 {
            return None;
        }
        let order = (self.cursor..candidates.len()).chain(0..self.cursor);
        let next = order
            .filter_map(|index| self.job(candidates, index))
            .find(|job| job.bytes <= budget);
        self.exhausted = next.is_none();
        let coming_bytes = self.in_progress.iter().map(|job| job.bytes);
        let held_bytes = coming_bytes.fold(self.ready_bytes, u64::saturating_add);
        let job = next.filter(|job| job.bytes <= budget.saturating_sub(held_bytes))?;
        self.in_progress.push(job);
        Some(job)
    }

    /// Decoding that tensor ahead, if one like it was asked for, and it was not and does not lie ready.
    fn job(&self, candidates: &[Candidate], index: usize) -> Option<Job> {
        let candidate = candidates
            .get(index)
            .filter(|candidate| candidate.in_layer)?;
        let dtype = self.asked.get(candidate.template).copied().flatten()?;
        let is_open = self.marks.get(index) == Some(&Mark::Untouched)
            && !self.ready.contains_key(&index)
            && self.in_progress.iter().all(|job| job.index != index);
        is_open.then(|| Job {
            index,
            dtype,
            bytes: candidate.decoded_bytes(dtype),
        })
    }

    /// Puts the outcome of a job in progress where `get` finds it. A tensor that nobody would take any more comes
    /// back, to be dropped outside the lock; one that could not be decoded is left to `get`, which reports the error.
    pub(super) fn settle(
        &mut self,
        candidates: &[Candidate],
        job: Job,
        outcome: Option<Tensor>,
    ) -> Option<Tensor> {
        self.in_progress.retain(|&other| other != job);
        let Some(tensor) = outcome else {
            if let Some(mark) = self
                .marks
                .get_mut(job.index)
                .filter(|mark| **mark == Mark::Untouched)
            {
                *mark = Mark::LeftToGet;
            }
            return None;
        };
        let asked = candidates
            .get(job.index)
            .and_then(|candidate| self.asked.get(candidate.template));
        if !self.enabled
            || asked != Some(&Some(job.dtype))
            || self.marks.get(job.index) == Some(&Mark::HandedOut)
        {
            return Some(tensor);
        }
        self.ready_bytes += job.bytes;
        self.ready
            .insert(job.index, (job, tensor))
            .map(|(_, replaced)| replaced)
    }

    /// Counts a tensor that is handed out; `None` if it was before.
    pub(super) fn count(&mut self, candidates: &[Candidate], index: usize) -> Option<Counts> {
        let mark = self
            .marks
            .get_mut(index)
            .filter(|mark| **mark != Mark::HandedOut)?;
        *mark = Mark::HandedOut;
        self.counts.tensors += 1;
        self.counts.bytes += candidates
            .get(index)
            .map_or(0, |candidate| candidate.raw_bytes);
        Some(self.counts)
    }
}

#[cfg(test)]
mod tests;
