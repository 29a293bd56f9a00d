//! What whoever asks for a tensor does with each extent it lies in: work lists out of plans, onto a lane.

use super::lane::{PartStatuses, Sequence};
use super::layout::{Extent, Group};
use super::machine::{Machine, Piece, Staging};
use super::report::Load;
use super::shared::Shared;
use super::slot::{Content, Slot, out_of_place};
use super::{Outcome, Target, lock};
use std::sync::Arc;
use wcodec::{Result, TensorId};
use wcodec_kernels::Work;

impl<M: Machine> Shared<M> {
    /// Enqueues the decoding of the parts of one extent.
    pub(super) fn decode_group(
        &self,
        load: &Arc<Load>,
        group: &Group,
        target: &Target,
    ) -> Result<Outcome> {
        let claimed = self.claim(group)?;
        let slot = self.slots.get(claimed.slot).ok_or_else(out_of_place)?;
        let mut content = lock(&slot.content);
        // Together if all are planned and their work fits a block, else one by one.
        let plans = content.plans.get(group.members.clone());
        if plans.is_some_and(|plans| plans.iter().all(Option::is_some)) {
            let outcome = self.enqueue(load, group, (slot, &mut content), target)?;
            if outcome != Outcome::LeftToHost || group.members.len() == 1 {
                return Ok(outcome);
            }
        }
        let mut outcome = Outcome::Enqueued;
        for member in group.members.clone() {
            let alone = Group {
                extent: group.extent,
                members: member..member + 1,
            };
            let is_planned_here = self.plan_again(load.id, group.extent, member, &mut content)?;
            outcome = self.enqueue(load, &alone, (slot, &mut content), target)?;
            if let (true, Some(plan)) = (is_planned_here, content.plans.get_mut(member)) {
                *plan = None;
            }
            if outcome == Outcome::LeftToHost {
                break;
            }
        }
        Ok(outcome)
    }

    /// Plans a part that was not planned ahead, or meets its error; whether it had to.
    fn plan_again(
        &self,
        id: TensorId,
        extent: usize,
        member: usize,
        content: &mut Content<M>,
    ) -> Result<bool> {
        let extent = self.extent(extent)?;
        let (Some(part), Some(plan @ None)) =
            (extent.members.get(member), content.plans.get_mut(member))
        else {
            return Ok(false);
        };
        let payload = content
            .staging
            .bytes()
            .get(part.payload.clone())
            .ok_or_else(out_of_place)?;
        *plan = Some(self.reader.plan_part(id, part.part, payload)?);
        Ok(true)
    }

    /// Enqueues parts that are planned.
    fn enqueue(
        &self,
        load: &Arc<Load>,
        group: &Group,
        (slot, content): (&Slot<M>, &mut Content<M>),
        target: &Target,
    ) -> Result<Outcome> {
        let Some((work, parts)) = self.work(group, content, target)? else {
            return Ok(Outcome::LeftToHost);
        };
        let sequence = Sequence {
            work: &work,
            load,
            parts,
            payload: &slot.payload,
            copied: content.copied.as_ref().ok_or_else(out_of_place)?,
        };
        let lane = self
            .lanes
            .get(target.lane.index())
            .ok_or_else(out_of_place)?;
        let enqueued = lock(lane).enqueue(&*self.machine, &self.report, sequence)?;
        match enqueued {
            Some(event) => {
                content.use_until(target.lane, event);
                Ok(Outcome::Enqueued)
            }
            None => Ok(Outcome::LeftToHost),
        }
    }

    /// The work of parts that are planned; `None` if the kernels refuse one.
    fn work(
        &self,
        group: &Group,
        content: &Content<M>,
        target: &Target,
    ) -> Result<Option<(Work, Vec<PartStatuses>)>> {
        let extent = self.extent(group.extent)?;
        let members = extent
            .members
            .get(group.members.clone())
            .ok_or_else(out_of_place)?;
        let plans = content
            .plans
            .get(group.members.clone())
            .ok_or_else(out_of_place)?;
        let mut pieces = Vec::with_capacity(members.len());
        for (member, plan) in members.iter().zip(plans) {
            let offset = (member.raw.start / target.stored_bytes).checked_mul(target.output_bytes);
            let output = offset.and_then(|offset| target.address.checked_add(offset));
            pieces.push(Piece {
                id: member.id,
                part: member.part,
                plan: plan.as_ref().ok_or_else(out_of_place)?,
                payload: member.payload.start as u64,
                output: output.ok_or_else(out_of_place)?,
                element: target.element,
            });
        }
        let work = self.machine.work(&pieces, self.scratch_bytes);
        Ok(work.map(|(work, statuses)| {
            let part = |(piece, statuses): (&Piece<'_>, std::ops::Range<usize>)| PartStatuses {
                first_status: statuses.start,
                chunks: numbers(piece),
            };
            (work, pieces.iter().zip(statuses).map(part).collect())
        }))
    }

    pub(super) fn extent(&self, at: usize) -> Result<&Extent> {
        self.layout.extents().get(at).ok_or_else(out_of_place)
    }
}

/// The chunks of a part, by their numbers within the tensor.
fn numbers(piece: &Piece<'_>) -> Vec<u32> {
    let chunks = piece.plan.chunks().iter();
    chunks.map(|chunk| chunk.number).collect()
}
