//! The command line, and all of its help.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use wcodec::{Effort, Tool};

const OVERVIEW: &str = "\
Examples:
  wcodec encode path/to/model-dir -o model.wcodec          # one self-contained file, a third smaller for BF16
  wcodec verify model.wcodec --against path/to/model-dir   # bit-exact
  wcodec decode model.wcodec -o restored/                  # byte-identical safetensors
  wcodec inspect model.wcodec

Exit codes:
  0    done
  1    the data differ, are damaged, or are not what the command reads
  2    wrong usage: an unknown option, a target that stands already, a tensor that is not there
  3    reading or writing failed
  130  stopped by Ctrl-C or a termination signal

An error is one line on the standard error stream. After one, or after an interruption, nothing half-written
stands under the name of the target, and what stood there before stands there still.";

const ENCODE: &str = "\
Examples:
  wcodec encode model-dir                                  # writes model-dir.wcodec here
  wcodec encode model.safetensors -o small/model.wcodec
  wcodec encode model-dir --effort max --force -o model.wcodec
  wcodec encode model-dir --attach LICENSE --attach README.md
  wcodec encode model-dir --no-attach --json
  wcodec encode model-dir --coder packed                   # larger, and as fast to decode as it gets
  wcodec encode model-dir --explain why.json               # what was considered for each tensor

The closing line gives the length of the safetensors files, that of the .wcodec file without its attachments, and
bits per weight: 8 x (file - attachments) / elements, so headers and index count as well.";

const DECODE: &str = "\
Examples:
  wcodec decode model.wcodec                               # into the folder `model` here
  wcodec decode model.wcodec -o restored/                  # a folder: original file names and attachments
  wcodec decode model.wcodec -o model.safetensors          # the one file alone

Every tensor is checked against its digest before its file gets a name.";

const VERIFY: &str = "\
Examples:
  wcodec verify model.wcodec                               # every checksum, every digest
  wcodec verify model.wcodec --against model-dir           # and every byte
  wcodec verify model.wcodec --quiet && echo whole";

const INSPECT: &str = "\
Examples:
  wcodec inspect model.wcodec
  wcodec inspect model.wcodec --tensor model.embed_tokens.weight
  wcodec inspect model.wcodec --json | jq '.totals'

Three small reads fetch header, index and footer, so a file of any length answers at once. `wcodec verify` is what
looks at the payloads. Columns: `coded` is the length of the payload, 0 for a tensor whose bytes are those of an
earlier one (`duplicate`); `b/w` is 8 x coded / elements; `rans 8 + 8 stored` codes eight bits of each number and
stores the other eight.";

const COMPLETIONS: &str = "\
Examples:
  wcodec completions bash > ~/.local/share/bash-completion/completions/wcodec
  wcodec completions zsh > ~/.zfunc/_wcodec
  wcodec completions fish > ~/.config/fish/completions/wcodec.fish";

/// A bit-exact codec for LLM weights: safetensors checkpoints to .wcodec files, a third smaller, and back
#[derive(Debug, Parser)]
#[command(name = "wcodec", version, after_help = OVERVIEW, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Encode a safetensors checkpoint into one .wcodec file
    #[command(after_help = ENCODE)]
    Encode(Encode),
    /// Restore the safetensors files, byte for byte
    #[command(after_help = DECODE)]
    Decode(Decode),
    /// Check that a .wcodec file is whole, or that it holds a given checkpoint
    #[command(after_help = VERIFY)]
    Verify(Verify),
    /// Show what a .wcodec file holds, and how it is coded
    #[command(after_help = INSPECT)]
    Inspect(Inspect),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What the subcommands that work on weights have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Work {
    /// Threads that encode or decode [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Encode {
    /// A .safetensors file, a folder with one, a folder with a sharded checkpoint, or its model.safetensors.index.json
    #[arg(value_name = "CHECKPOINT")]
    pub(crate) source: PathBuf,
    /// The file to write [default: the name of the folder or file, with .wcodec, in the current folder]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How hard to try; decoding is as fast after each
    #[arg(long, value_enum, default_value_t = EffortArg::Default)]
    pub(crate) effort: EffortArg,
    /// auto takes what is smallest; packed takes codes of fixed length, which decode fastest (about 12 bits a BF16
    /// weight)
    #[arg(long, value_enum, default_value_t = CoderArg::Auto)]
    pub(crate) coder: CoderArg,
    /// Use one coding tool wherever it can be used, to learn what it is worth
    #[arg(long, value_name = "TOOL", conflicts_with = "coder", value_parser = tool_parser())]
    pub(crate) only: Option<Tool>,
    /// Write to this new file, as JSON, which ways to code each tensor were considered, their costs, and what was taken
    #[arg(long, value_name = "FILE")]
    pub(crate) explain: Option<PathBuf>,
    /// Replace the target if it stands already
    #[arg(long, short)]
    pub(crate) force: bool,
    /// A further file to carry along, under its own name; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) attach: Vec<PathBuf>,
    /// Leave out the files of a folder that are carried along by default: config.json, generation_config.json,
    /// tokenizer.json, tokenizer_config.json, special_tokens_map.json
    #[arg(long)]
    pub(crate) no_attach: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Decode {
    /// The .wcodec file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The folder to write to, or NAME.safetensors [default: a folder named like the file, in the current folder]
    #[arg(long, short, value_name = "TARGET")]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that stand already
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Leave out the attachments
    #[arg(long)]
    pub(crate) no_attach: bool,
    #[command(flatten)]
    pub(crate) work: Work,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The .wcodec file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The checkpoint that it must hold byte for byte
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) against: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) work: Work,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// The .wcodec file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Show one tensor in detail
    #[arg(long, value_name = "NAME")]
    pub(crate) tensor: Option<String>,
    /// Show what a reader of the upper bit planes alone reads, and how far off its floats are
    #[arg(long, conflicts_with = "tensor")]
    pub(crate) planes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// [`Effort`] on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EffortArg {
    /// One frequency table for each part of a tensor
    Fast,
    /// Frequency tables clustered over the chunks
    Default,
    /// More tables, and mantissa bits coded where they help
    Max,
}

/// The coder on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CoderArg {
    /// What is smallest
    Auto,
    /// Codes of fixed length
    Packed,
}

/// Tools by their names.
fn tool_parser() -> impl TypedValueParser<Value = Tool> {
    let names = Tool::ALL.map(Tool::name);
    PossibleValuesParser::new(names).map(|name| {
        let named = Tool::ALL.into_iter().find(|tool| tool.name() == name);
        named.unwrap_or(Tool::Split) // the parser lets no other name pass
    })
}

impl Encode {
    /// The tool to use alone.
    pub(crate) fn only(&self) -> Option<Tool> {
        match self.coder {
            CoderArg::Packed => Some(Tool::Packed),
            CoderArg::Auto => self.only,
        }
    }
}

impl From<EffortArg> for Effort {
    fn from(effort: EffortArg) -> Self {
        match effort {
            EffortArg::Fast => Self::Fast,
            EffortArg::Default => Self::Default,
            EffortArg::Max => Self::Max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
