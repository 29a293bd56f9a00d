//! The end of a page: where its figures come from.

use super::page::Block;
use super::parts::Part;
use crate::origin::{Origin, Program};
use crate::table::{Align, Grid};
use std::collections::BTreeSet;

/// Machines, programs, commands and inputs of all parts.
pub(super) fn blocks(origins: &[(Part, Origin)]) -> Vec<Block> {
    let left = |names: &[&'static str]| {
        Grid::new(
            &names
                .iter()
                .map(|name| (*name, Align::Left))
                .collect::<Vec<_>>(),
        )
    };
    let mut parts = left(&["part", "date", "commit", "compiler", "profile", "command"]);
    let mut inputs = left(&["input", "SHA-256"]);
    let mut machines: Vec<String> = Vec::new();
    let mut digests = BTreeSet::new();
    for (part, origin) in origins {
        let Program {
            commit,
            compiler,
            profile,
            ..
        } = &origin.program;
        let (date, command) = (&origin.machine.date, &origin.command);
        let cells = [date, commit, compiler, profile, command];
        parts.row(
            [
                vec![part.name().to_owned()],
                cells.map(String::clone).to_vec(),
            ]
            .concat(),
        );
        let machine = format!("{}: {}", origin.machine.name, origin.machine.line());
        if !machines.contains(&machine) {
            machines.push(machine);
        }
        digests.extend(origin.inputs_sha256.clone());
    }
    for (name, digest) in digests {
        inputs.row([name, digest]);
    }
    vec![
        Block::Heading("Where the figures come from".into()),
        Block::Text(format!(
            "{}. Every figure above is drawn from the JSON files of this folder by `evals report --draw`; each says \
             the same of itself. A commit with `-dirty` was built with changes.",
            machines.join("; ")
        )),
        Block::Table(parts),
        Block::Table(inputs),
    ]
}
