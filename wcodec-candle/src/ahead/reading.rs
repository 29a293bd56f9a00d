//! Which of the file the system is told to read while something else is decoded.

use std::ops::Range;
use wcodec::{Reader, TensorId};

/// Bytes of the file that are read ahead of what is decoded: a few hundredths of a second of a fast disk.
const WINDOW_BYTES: u64 = 64 << 20;
/// The window moves on by at least this much.
const STEP_BYTES: u64 = 4 << 20;

/// The range of the file that was asked for ahead, last and without a gap.
#[derive(Debug)]
pub(super) struct ReadAhead {
    asked: Range<u64>,
    /// Where the last payload of the file ends.
    payloads_end: u64,
}

impl ReadAhead {
    pub(super) fn new(payloads_end: u64) -> Self {
        Self {
            asked: 0..0,
            payloads_end,
        }
    }

    /// What to ask for now that `payload` is about to be decoded: file order is the order in which models ask, so it
    /// goes on behind it. What was asked for already is left out.
    pub(super) fn advance(&mut self, payload: &Range<u64>) -> Option<Range<u64>> {
        if payload.is_empty() {
            return None;
        }
        let window_end = payload.start.saturating_add(WINDOW_BYTES);
        let end = window_end.min(self.payloads_end).max(payload.end);
        // A model does not ask quite in file order: what lies a little before was asked for, or is small.
        let near = self.asked.start.saturating_sub(WINDOW_BYTES)..=self.asked.end;
        let goes_on = near.contains(&payload.start) && !self.asked.is_empty();
        if !goes_on {
            self.asked = payload.start..payload.start;
        }
        let new = self.asked.end..end;
        let is_small = new.end.saturating_sub(new.start) < STEP_BYTES;
        if new.is_empty() || goes_on && is_small && end < self.payloads_end {
            return None;
        }
        self.asked.end = end;
        Some(new)
    }
}

/// Where a tensor lies in the file, or its original: from its first part to the end of its last one.
pub(super) fn payload_of(reader: &Reader, id: TensorId) -> Range<u64> {
    let info = reader.info(id);
    let held_by = info
        .duplicate_of
        .map_or(info, |original| reader.info(original));
    let start = held_by
        .parts()
        .next()
        .map_or(0, |part| part.payload_offset_in_file);
    let last = held_by.parts().next_back();
    start..last.map_or(start, |part| {
        part.payload_offset_in_file
            .saturating_add(part.payload_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_window_moves_in_steps_and_asks_for_nothing_twice() {
        let mut ahead = ReadAhead::new(300 * MIB);
        let mut advance = |start: u64, end: u64| {
            let asked = ahead.advance(&(start * MIB..end * MIB));
            asked.map(|asked| asked.start / MIB..asked.end / MIB)
        };
        assert_eq!(advance(0, 2), Some(0..64));
        assert_eq!(advance(2, 3), None, "less than a step");
        assert_eq!(advance(10, 20), Some(64..74));
        assert_eq!(advance(2, 3), None, "a thread that is behind the others");
        assert_eq!(
            advance(200, 290),
            Some(200..290),
            "elsewhere, and more than the window"
        );
        assert_eq!(
            advance(290, 295),
            Some(290..300),
            "no further than the file"
        );
        assert_eq!(advance(290, 295), None);
        assert_eq!(advance(10, 20), Some(10..74));
        assert_eq!(advance(2, 3), None, "just before");
        assert_eq!(advance(0, 0), None, "nothing to read");
    }
}
