//! Symbols without a frequency or a code of their own: their positions, then their literals (FORMAT.md, section 4.3).
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use crate::error::ErrorKind;
pub(crate) use crate::format::ESCAPE_BYTES;

/// Passes position and literal of each escape in `bytes` to `replace`, which says whether there is such a position and
/// such a symbol.
///
/// # Errors
///
/// `Malformed` (rule 4.3) if there is not, or if positions do not rise.
pub(crate) fn each(
    bytes: &[u8],
    mut replace: impl FnMut(usize, u16) -> Option<()>,
) -> Result<(), ErrorKind> {
    let (fields, _) = bytes.as_chunks::<2>();
    let (positions, literals) = fields
        .split_at_checked(fields.len() / 2)
        .unwrap_or_default();
    let mut previous = None;
    for (position, literal) in positions.iter().zip(literals) {
        let position = usize::from(u16::from_le_bytes(*position));
        let in_order = previous.is_none_or(|previous| previous < position);
        let replaced = in_order.then(|| replace(position, u16::from_le_bytes(*literal)));
        replaced.flatten().ok_or(ErrorKind::Malformed {
            what: "escape",
            rule: "4.3",
        })?;
        previous = Some(position);
    }
    Ok(())
}

/// The bytes that [`each`] reads.
pub(crate) fn bytes(escapes: &[(u16, u16)]) -> impl Iterator<Item = u8> {
    let positions = escapes.iter().map(|(position, _)| *position);
    let literals = escapes.iter().map(|(_, literal)| *literal);
    positions.chain(literals).flat_map(u16::to_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_come_back_in_order() {
        let escapes = [(3u16, 700u16), (9, 0), (65_535, 1)];
        let written: Vec<u8> = bytes(&escapes).collect();
        assert_eq!(written.len(), escapes.len() * ESCAPE_BYTES);
        let mut read = Vec::new();
        each(&written, |position, literal| {
            read.push((u16::try_from(position).unwrap(), literal));
            Some(())
        })
        .unwrap();
        assert_eq!(read, escapes);
        let again: Vec<u8> = bytes(&[(4, 1), (4, 2)]).collect();
        assert!(each(&again, |_, _| Some(())).is_err());
        assert!(each(&written, |_, _| None).is_err());
    }
}
