//! WCodec: a bit-exact codec for LLM weights.
//!
//! A checkpoint (safetensors) becomes one self-contained `.wcodec` file, about a third smaller for BF16, from
//! which any tensor, or any range of its rows, decodes without touching the rest. The bytes on disk are
//! defined by FORMAT.md; the folders of this crate follow its table of contents:
//!
//! | module | what it knows |
//! |---|---|
//! | [`mod@format`] | every number of the format, checked fields, the checksum |
//! | `entropy` | histograms, frequencies, alias tables, 32-way interleaved rANS |
//! | `samples`, `bitplane` | dtype <-> integers; which bits are coded and which are stored |
//! | `chunk`, `tensor` | one independently decodable run; a tensor as parts of chunks |
//! | `search` | the encoder's decisions |
//! | [`container`] | the file: header, index, [`Reader`] |
//! | [`simd`] | which instruction sets are in use |
//! | [`device`] | parts as decoders outside this crate take them |
//! | [`checkpoint`] | safetensors files and directories <-> `.wcodec` |
//!
//! # Examples
//!
//! ```
//! use wcodec::{Reader, checkpoint};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let source = folder.path().join("model.safetensors");
//! # let header = br#"{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}      "#;
//! # let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
//! # bytes.extend_from_slice(header);
//! # for v in [0.5f32, -1.0, 2.0, 0.25, 0.0, -3.5] { bytes.extend_from_slice(&half::bf16::from_f32(v).to_le_bytes()); }
//! # std::fs::write(&source, bytes)?;
//! let target = folder.path().join("model.wcodec");
//! checkpoint::import(&source, &target, &checkpoint::ImportOptions::default())?;
//!
//! let reader = Reader::open(&target)?;
//! let w = reader.find("w").ok_or("no such tensor")?;
//! let mut values = vec![0f32; 6];
//! reader.decode_floats(w, &mut values)?;
//! assert_eq!(values, [0.5, -1.0, 2.0, 0.25, 0.0, -3.5]);
//! # Ok(())
//! # }
//! ```

mod bitplane;
pub mod checkpoint;
mod chunk;
pub mod container;
pub mod device;
mod dtype;
mod entropy;
mod error;
pub mod format;
mod limits;
mod predict;
mod samples;
mod search;
pub mod simd;
mod tensor;
mod tools;
mod transform;

pub use container::{ReadAt, Reader, TensorId, TensorInfo, Truncation};
pub use dtype::Dtype;
pub use error::{Error, ErrorKind, Location, Result};
pub use limits::Limits;
pub use samples::FloatElement;
pub use search::{Considered, Effort, Tool, Verdict};
