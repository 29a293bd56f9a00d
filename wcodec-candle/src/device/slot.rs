//! A slot of the ring: an extent on its way from the file to the device.

use super::layout::Extent;
use super::machine::{Lane, Machine, Staging, Stream};
use std::sync::{Arc, Mutex};
use wcodec::device::Plan;
use wcodec::{Error, ErrorKind, Reader, Result};

/// Memory for one extent, on the host and on the device.
pub(super) struct Slot<M: Machine> {
    pub(super) content: Mutex<Content<M>>,
    pub(super) payload: M::Buffer,
}

/// What a slot holds.
pub(super) struct Content<M: Machine> {
    pub(super) staging: M::Staging,
    /// For each part of the extent; `None` where planning failed, which happens again to who asks.
    pub(super) plans: Vec<Option<Plan>>,
    /// Over when the payload is on the device.
    pub(super) copied: Option<M::Event>,
    /// For each lane, over when what it decodes from here is decoded.
    pub(super) used: [Option<Arc<M::Event>>; 2],
}

impl<M: Machine> Slot<M> {
    pub(super) fn new(machine: &M, bytes: usize) -> Result<Self> {
        let content = Content {
            staging: machine.staging(bytes)?,
            plans: Vec::new(),
            copied: None,
            used: [None, None],
        };
        Ok(Self {
            content: Mutex::new(content),
            payload: machine.buffer(bytes)?,
        })
    }
}

impl<M: Machine> Content<M> {
    /// Waits until the device is done with the slot.
    pub(super) fn vacate(&mut self, machine: &M) -> Result<()> {
        if let Some(copied) = &self.copied {
            machine.synchronize(copied)?;
        }
        for used in self.used.iter().flatten() {
            machine.synchronize(used)?;
        }
        self.copied = None;
        self.used = [None, None];
        Ok(())
    }

    /// Reads an extent, checks and plans its parts, and has it copied to the device.
    pub(super) fn fill(
        &mut self,
        machine: &M,
        reader: &Reader,
        extent: &Extent,
        to: &M::Buffer,
    ) -> Result<()> {
        self.vacate(machine)?;
        self.plans.clear();
        let bytes = self.staging.bytes_mut();
        let len = usize::try_from(extent.bytes.end.saturating_sub(extent.bytes.start)).ok();
        let bytes = len
            .and_then(|len| bytes.get_mut(..len))
            .ok_or_else(out_of_place)?;
        reader.read_at(extent.bytes.start, bytes)?;
        let bytes = &*bytes;
        // Plans that are kept may take as much as what they are of. The others are made by who asks.
        let mut room = bytes.len();
        let plan = |member: &super::layout::Member| {
            let payload = bytes.get(member.payload.clone())?;
            let plan = reader.plan_part(member.id, member.part, payload).ok()?;
            room = room.checked_sub(plan.memory_bytes())?;
            Some(plan)
        };
        self.plans.extend(extent.members.iter().map(plan));
        let len = bytes.len();
        let copied = machine
            .upload(Stream::Copy, &self.staging, 0..len, to)
            .and_then(|()| machine.record(Stream::Copy));
        match copied {
            Ok(event) => self.copied = Some(event),
            Err(error) => {
                // The copy may be under way all the same, and nothing says when it ends.
                let _ = machine.drain(Stream::Copy);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Notes a use that was enqueued.
    pub(super) fn use_until(&mut self, lane: Lane, event: Arc<M::Event>) {
        if let Some(used) = self.used.get_mut(lane.index()) {
            *used = Some(event);
        }
    }
}

/// A place that the layout or the budget rules out.
pub(super) fn out_of_place() -> Error {
    let what = "a part lies outside the memory for it";
    ErrorKind::InvalidArgument { what }.into()
}
