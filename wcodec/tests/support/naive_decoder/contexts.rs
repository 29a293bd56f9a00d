//! Section 6.4: contexts.

use super::{Fields, Refusal, Table, must, transform};

/// A kind of contexts.
pub(super) struct Contexts {
    pub(super) kind: u8,
    w: usize,
    /// The table of each context.
    tables: Vec<u8>,
}

impl Contexts {
    pub(super) fn read(
        fields: &mut Fields<'_>,
        kind: u8,
        w: usize,
        tables: &[Table],
    ) -> Result<Self, Refusal> {
        let num = match kind {
            0 => 0,
            1 => 32,
            2 => 16,
            3 => w,
            _ => return Err("unknown kind of contexts".into()),
        };
        let numbers = fields.take(num)?.to_vec();
        must(
            numbers
                .iter()
                .all(|&number| usize::from(number) < tables.len()),
            "number of a context's table",
        )?;
        must(
            kind == 0 || tables.iter().all(|table| !table.has_escape),
            "contexts and an escape",
        )?;
        Ok(Self {
            kind,
            w,
            tables: numbers,
        })
    }

    /// The table of unit `i` of `num`, from the symbols before it.
    pub(super) fn table(&self, i: usize, num: usize, before: &[u16], of_chunk: u8) -> u8 {
        let context = match self.kind {
            0 => return of_chunk,
            1 => above(i, self.w, before),
            2 => transform::band(i, num, self.w),
            _ => i % self.w,
        };
        self.tables[context]
    }
}

fn above(i: usize, w: usize, s: &[u16]) -> usize {
    let d = w * (32 / w + 1);
    let Some(j) = i.checked_sub(d) else { return 0 };
    let [left, middle, right] = [j.saturating_sub(1), j, j + 1].map(|index| usize::from(s[index]));
    ((left + 2 * middle + right) / 16).min(31)
}
