//! Decodes on the emulator and compares with the CPU decoder.

use std::collections::BTreeSet;
use wcodec::{Dtype, Limits, Reader, TensorId};
use wcodec_kernels::emulation::{Memory, Schedule, run};
use wcodec_kernels::{Element, Work, WorkList};

pub(crate) const SCHEDULES: [Schedule; 3] = [
    Schedule::Ascending,
    Schedule::Descending,
    Schedule::Random(7),
];

/// A tensor's parts as a loader would have them.
pub(crate) struct Loaded {
    payload: Memory,
    outputs: Vec<Memory>,
    work: Work,
}

/// Bytes of an element that leaves the kernels.
pub(crate) fn element_bytes(dtype: Dtype, element: Element) -> u64 {
    match element {
        Element::Same => dtype.bits().div_ceil(8),
        Element::F32 => 4,
        _ => 2,
    }
}

/// Plans and pushes every part of the tensors, each with memory of its own for what it decodes to.
pub(crate) fn load(
    reader: &Reader,
    file: &[u8],
    ids: &[TensorId],
    element: Element,
) -> wcodec::Result<Loaded> {
    let (mut payload, mut outputs) = (Vec::new(), Vec::new());
    let mut list = WorkList::new();
    let mut num_statuses = 0;
    for &id in ids {
        for (index, part) in reader.parts(id).into_iter().enumerate() {
            let [start, end] =
                [part.file.start, part.file.end].map(|at| usize::try_from(at).unwrap());
            let bytes = &file[start..end];
            let plan = reader.plan_part(id, index, bytes)?;
            payload.resize(payload.len().next_multiple_of(16), 0x5a);
            let raw_bytes = part.raw.end - part.raw.start;
            let raw_bytes = match element {
                Element::Same => raw_bytes,
                _ => raw_bytes / plan.sample_bytes() as u64 * element_bytes(plan.dtype(), element),
            };
            let mut output = Memory::new(usize::try_from(raw_bytes).unwrap()).unwrap();
            output.fill(0xee);
            let statuses = list.push(&plan, payload.len() as u64, output.address(), element)?;
            assert_eq!(statuses, num_statuses..num_statuses + plan.chunks().len());
            num_statuses = statuses.end;
            payload.extend(bytes);
            outputs.push(output);
        }
    }
    Ok(Loaded {
        payload: Memory::from_bytes(&payload).unwrap(),
        outputs,
        work: list.finish(),
    })
}

impl Loaded {
    /// The kernels that would run.
    pub(crate) fn kernels(&self) -> BTreeSet<&'static str> {
        self.work
            .launches
            .iter()
            .map(|launch| launch.kernel)
            .collect()
    }

    /// Runs the work list; returns statuses and all outputs, one after the other.
    pub(crate) fn run(&self, schedule: Schedule) -> (Vec<u32>, Vec<u8>) {
        // SAFETY: every output is as long as what its part decodes to, and lives.
        let statuses = unsafe { run(&self.work, &self.payload, schedule) };
        let statuses = statuses.unwrap_or_else(|error| panic!("{schedule:?}: {error}"));
        assert_eq!(statuses.len(), self.work.num_statuses);
        assert!(
            self.outputs.iter().all(Memory::is_intact),
            "a kernel wrote beyond a tensor"
        );
        (
            statuses,
            self.outputs
                .iter()
                .flat_map(|output| output.iter().copied())
                .collect(),
        )
    }
}

/// Decodes all tensors of a file in one work list under every schedule; returns the kernels that ran.
pub(crate) fn check_file(file: &[u8]) -> BTreeSet<&'static str> {
    let reader = Reader::new(file.to_vec(), &Limits::default()).unwrap();
    let ids: Vec<TensorId> = reader.ids().collect();
    let mut expected = Vec::new();
    for &id in &ids {
        let start = expected.len();
        expected.resize(
            start + usize::try_from(reader.info(id).raw_bytes).unwrap(),
            0,
        );
        reader.decode_bytes(id, &mut expected[start..]).unwrap();
    }
    let mut loaded = load(&reader, file, &ids, Element::Same).unwrap();
    for schedule in SCHEDULES {
        let (statuses, decoded) = loaded.run(schedule);
        assert!(
            statuses.iter().all(|&status| status == 0),
            "{schedule:?}: {statuses:?}"
        );
        assert!(
            decoded == expected,
            "{schedule:?}: not what the CPU decodes"
        );
        loaded
            .outputs
            .iter_mut()
            .for_each(|output| output.fill(0xee));
    }
    loaded.kernels()
}
