//! Where a model runs, as an argument.

use anyhow::{Context, bail};
use candle_core::Device;
use std::fmt;
use std::str::FromStr;

/// `cpu` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DeviceArg {
    #[default]
    Cpu,
    Cuda(usize),
}

impl DeviceArg {
    /// candle's device.
    ///
    /// # Errors
    ///
    /// If there is none of that number, or this build has no support for its kind.
    pub(crate) fn open(self) -> anyhow::Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(ordinal) => Device::new_cuda(ordinal).with_context(|| {
                format!(
                    "cannot use `{self}`: this needs a build of evals with CUDA and a device of that number; \
                     `--device cpu` always works"
                )
            }),
        }
    }
}

impl FromStr for DeviceArg {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let ordinal = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some("0"),
            other => other.strip_prefix("cuda:"),
        };
        match ordinal.map(str::parse) {
            Some(Ok(ordinal)) => Ok(Self::Cuda(ordinal)),
            _ => bail!("`{text}` is no device: `cpu`, `cuda` or `cuda:1`"),
        }
    }
}

impl fmt::Display for DeviceArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

/// The number types a Llama can be computed in.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[value(rename_all = "lower")]
#[serde(rename_all = "lowercase")]
pub(crate) enum DtypeArg {
    #[default]
    F32,
    F16,
    BF16,
}

impl From<DtypeArg> for candle_core::DType {
    fn from(dtype: DtypeArg) -> Self {
        match dtype {
            DtypeArg::F32 => Self::F32,
            DtypeArg::F16 => Self::F16,
            DtypeArg::BF16 => Self::BF16,
        }
    }
}

impl fmt::Display for DtypeArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_by_name() {
        for (text, device) in [
            ("cpu", DeviceArg::Cpu),
            ("cuda", DeviceArg::Cuda(0)),
            ("cuda:3", DeviceArg::Cuda(3)),
        ] {
            assert_eq!(text.parse::<DeviceArg>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<DeviceArg>().unwrap().to_string(), "cuda:0");
        for wrong in ["gpu", "cuda:", "cuda:-1", "cuda:x"] {
            let error = wrong.parse::<DeviceArg>().unwrap_err().to_string();
            assert!(error.contains("is no device"), "{error}");
        }
    }
}
