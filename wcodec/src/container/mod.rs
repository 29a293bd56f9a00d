//! One file: header, payloads, attachments, safetensors headers, index, footer (FORMAT.md, sections 2 and 3).

mod header;
mod index;
mod read_at;
mod reader;
pub(crate) mod target;
mod writer;

pub use crate::tensor::Truncation;
pub use index::{AttachmentInfo, PartInfo, SourceInfo, TensorId, TensorInfo};
pub use read_at::{FileSource, ReadAt};
pub use reader::Reader;

pub(crate) use index::valid_file_name;
pub(crate) use writer::{EncodedTensor, TensorSpec, Writer};
