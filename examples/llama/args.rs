//! The options.

use candle_core::DType;
use candle_transformers::generation::Sampling;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Temperatures below this are greedy: dividing by them would only overflow.
const MIN_TEMPERATURE: f64 = 1e-7;

/// Writes text with a Llama whose weights are in a .wcodec file or in safetensors files.
///
/// The prompt and the text go to stdout, everything else to stderr.
#[derive(Debug, Parser)]
#[command(name = "llama")]
pub(crate) struct Args {
    /// A .wcodec file, a .safetensors file, or a directory that holds a model. Without it, a small model
    /// built into this program is used
    #[arg(long, value_name = "PATH")]
    pub(crate) weights: Option<PathBuf>,

    /// The model's config.json. Default: the one attached to the .wcodec file, or beside the weights
    #[arg(long, value_name = "FILE", requires = "weights")]
    pub(crate) config: Option<PathBuf>,

    /// The model's tokenizer.json. Default: the one attached to the .wcodec file, or beside the weights
    #[arg(long, value_name = "FILE", requires = "weights")]
    pub(crate) tokenizer: Option<PathBuf>,

    /// The text to continue
    #[arg(long, value_name = "TEXT", default_value = "Once upon a time")]
    pub(crate) prompt: String,

    /// Most tokens to generate
    #[arg(short = 'n', long, value_name = "TOKENS", default_value_t = 200)]
    pub(crate) sample_len: usize,

    /// How freely to choose: 0 always takes the likeliest token (greedy), 1 follows the model's probabilities
    #[arg(long, value_name = "T", default_value_t = 0.8, value_parser = not_negative)]
    pub(crate) temperature: f64,

    /// Choose only among the likeliest tokens that together have this probability, above 0 and at most 1
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(crate) top_p: Option<f64>,

    /// Choose only among this many likeliest tokens
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    pub(crate) top_k: Option<usize>,

    /// Start of the random numbers: the same seed writes the same text
    #[arg(long, default_value_t = 299_792_458)]
    pub(crate) seed: u64,

    /// Number type to compute in. Default: f32 on the CPU, the stored type on CUDA
    #[arg(long, value_enum, value_name = "TYPE")]
    pub(crate) dtype: Option<DtypeArg>,

    /// Run on the CPU even if there is a CUDA device
    #[arg(long)]
    pub(crate) cpu: bool,

    /// The CUDA device to run on
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        conflicts_with = "cpu"
    )]
    pub(crate) device: usize,

    /// Divide the score of recent tokens by this; 1 leaves them alone
    #[arg(long, value_name = "X", default_value_t = 1.1, value_parser = above_zero)]
    pub(crate) repeat_penalty: f32,

    /// How many recent tokens the penalty looks at
    #[arg(long, value_name = "TOKENS", default_value_t = 128)]
    pub(crate) repeat_last_n: usize,

    /// Compute every token from the whole text again, instead of keeping keys and values
    #[arg(long)]
    pub(crate) no_kv_cache: bool,

    /// Also write the token numbers, prompt included, to stderr
    #[arg(long)]
    pub(crate) print_tokens: bool,
}

/// The number types a Llama can be computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum DtypeArg {
    F32,
    F16,
    BF16,
}

impl From<DtypeArg> for DType {
    fn from(dtype: DtypeArg) -> Self {
        match dtype {
            DtypeArg::F32 => Self::F32,
            DtypeArg::F16 => Self::F16,
            DtypeArg::BF16 => Self::BF16,
        }
    }
}

impl Args {
    /// What the options say about choosing the next token.
    pub(crate) fn sampling(&self) -> Sampling {
        let temperature = self.temperature;
        if temperature < MIN_TEMPERATURE {
            return Sampling::ArgMax;
        }
        match (self.top_k, self.top_p) {
            (None, None) => Sampling::All { temperature },
            (Some(k), None) => Sampling::TopK { k, temperature },
            (None, Some(p)) => Sampling::TopP { p, temperature },
            (Some(k), Some(p)) => Sampling::TopKThenTopP { k, p, temperature },
        }
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value >= 0.0 {
        Ok(value)
    } else {
        Err("must not be negative".into())
    }
}

fn probability(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err("must be above 0 and at most 1".into())
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("not a number".into()),
    }
}

fn above_zero(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("must be a number above 0".into()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number from 1".into()),
        Ok(count) => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(["llama"].into_iter().chain(options.split_whitespace()))
    }

    #[test]
    fn defaults() {
        let args = parse("").unwrap();
        assert_eq!(
            (args.prompt.as_str(), args.sample_len),
            ("Once upon a time", 200)
        );
        assert_eq!(args.sampling(), Sampling::All { temperature: 0.8 });
        assert!(args.weights.is_none() && args.dtype.is_none() && !args.cpu && !args.no_kv_cache);
    }

    #[test]
    fn sampling_follows_the_options() {
        let sampling = |options: &str| parse(options).unwrap().sampling();
        assert_eq!(sampling("--temperature 0"), Sampling::ArgMax);
        assert_eq!(sampling("--temperature 1e-30 --top-k 4"), Sampling::ArgMax);
        assert_eq!(
            sampling("--temperature 1 --top-k 4"),
            Sampling::TopK {
                k: 4,
                temperature: 1.0
            }
        );
        assert_eq!(
            sampling("--temperature 1 --top-p 0.5"),
            Sampling::TopP {
                p: 0.5,
                temperature: 1.0
            }
        );
        assert_eq!(
            sampling("--temperature 1 --top-k 4 --top-p 0.5"),
            Sampling::TopKThenTopP {
                k: 4,
                p: 0.5,
                temperature: 1.0
            }
        );
    }

    #[test]
    fn dtypes_by_name() {
        for (name, dtype) in [
            ("f32", DType::F32),
            ("f16", DType::F16),
            ("bf16", DType::BF16),
        ] {
            let args = parse(&format!("--dtype {name}")).unwrap();
            assert_eq!(args.dtype.map(DType::from), Some(dtype));
        }
    }

    #[test]
    fn numbers_out_of_range_are_wrong_usage() {
        for options in [
            "--temperature=-1",
            "--temperature=nan",
            "--temperature=inf",
            "--top-p=0",
            "--top-p=1.5",
            "--top-k=0",
            "--top-k=-1",
            "--repeat-penalty=0",
            "--repeat-penalty=1e60",
            "--dtype=f64",
            "--sample-len=many",
            "--config=config.json",
        ] {
            let error = parse(options).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{options}");
        }
    }
}
