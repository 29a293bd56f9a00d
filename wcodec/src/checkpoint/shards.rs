//! The index of a sharded checkpoint.

use super::source::{in_file, invalid};
use crate::container::valid_file_name;
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A shard index: which shard holds which tensor.
pub(super) struct Shards {
    pub(super) index: PathBuf,
    pub(super) weight_map: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl Shards {
    pub(super) fn read(index: &Path) -> Result<Self> {
        if !in_file(index, index.metadata())?.is_file() {
            return Err(invalid(index, "not a regular file"));
        }
        let text = in_file(index, std::fs::read(index))?;
        let parsed: ShardIndex = serde_json::from_slice(&text)
            .map_err(|error| invalid(index, format!("bad shard index: {error}")))?;
        if parsed.weight_map.is_empty() {
            return Err(invalid(index, "the shard index names no file"));
        }
        Ok(Self {
            index: index.to_owned(),
            weight_map: parsed.weight_map,
        })
    }

    /// The shards, each once, in the order of their names.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let names: BTreeSet<&String> = self.weight_map.values().collect();
        let folder = self.index.parent().unwrap_or(Path::new("."));
        let refuse = |detail: String| Err(invalid(&self.index, detail));
        names
            .into_iter()
            .map(|name| {
                let shard = folder.join(name);
                if !valid_file_name(name) {
                    return refuse(format!("the shard `{name}` is not a plain file name"));
                }
                if !shard.is_file() {
                    return refuse(format!(
                        "the shard `{name}` is missing; put it beside its index"
                    ));
                }
                Ok(shard)
            })
            .collect()
    }
}
