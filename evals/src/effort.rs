//! The encoder's effort as an argument.

use wcodec::Effort;

/// How hard the encoder tries.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum EffortArg {
    Fast,
    Default,
    Max,
}

impl EffortArg {
    /// The word for it on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Default => "default",
            Self::Max => "max",
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
