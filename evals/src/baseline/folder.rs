//! The uncompressed checkpoint as a folder.

use super::architecture::shards;
use super::measure::{SHARD_WEIGHTS, Spec};
use super::shard::{self, Quant};
use crate::progress;
use anyhow::Context;
use serde_json::json;
use std::path::Path;

impl Spec {
    /// Writes the uncompressed checkpoint as a folder of Hugging Face's.
    ///
    /// # Errors
    ///
    /// If the disk is full.
    pub(crate) fn write_folder(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let architecture = &self.architecture;
        let shards = shards(&architecture.tensors(), SHARD_WEIGHTS);
        let mut map = serde_json::Map::new();
        let mut total = 0;
        let bar = progress::bar("drawing", shards.len());
        for (index, shard) in shards.iter().enumerate() {
            let name = format!("model-{:05}-of-{:05}.safetensors", index + 1, shards.len());
            total += shard::write(shard, self.quant, self.seed, &folder.join(&name))?;
            for planned in shard {
                map.insert(planned.name.clone(), json!(name));
                if self.quant != Quant::Bf16 && planned.is_matrix() {
                    map.insert(format!("{}_scale", planned.name), json!(name));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let index = json!({"metadata": {"total_size": total}, "weight_map": map});
        std::fs::write(
            folder.join("model.safetensors.index.json"),
            format!("{index:#}\n"),
        )?;
        std::fs::write(folder.join("config.json"), architecture.config())?;
        Ok(())
    }
}
