//! Which files `--weights` stands for.

use anyhow::{Context, Result, anyhow, bail};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const INDEX: &str = "model.safetensors.index.json";

/// The file or the shards that `path` stands for, each known to open.
pub(crate) fn find_weights(path: &Path) -> Result<Vec<PathBuf>> {
    let cannot_open =
        |path: &Path| format!("cannot open the weights `{}` (--weights)", path.display());
    let file = if fs::metadata(path)
        .with_context(|| cannot_open(path))?
        .is_dir()
    {
        weights_in(path)?
    } else {
        path.to_path_buf()
    };
    let is_index = file.to_string_lossy().ends_with(".safetensors.index.json");
    let files = if is_index { shards(&file)? } else { vec![file] };
    for file in &files {
        File::open(file).with_context(|| cannot_open(file))?;
    }
    Ok(files)
}

/// What to open in a directory: `model.safetensors` or the index of its shards, else the only file with weights.
fn weights_in(folder: &Path) -> Result<PathBuf> {
    for name in ["model.safetensors", INDEX] {
        let path = folder.join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)
        .with_context(|| format!("cannot list `{}` (--weights)", folder.display()))?
    {
        let path = entry?.path();
        if has_extension(&path, "wcodec") || has_extension(&path, "safetensors") {
            found.push(path);
        }
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            let text = format!(
                "`{}` holds no model.safetensors, {INDEX} or .wcodec file: pass the file itself with --weights",
                folder.display()
            );
            Err(io::Error::new(io::ErrorKind::NotFound, text).into())
        }
        [first, ..] => bail!(
            "`{}` holds {} files with weights and no {INDEX}: pass one of them with --weights, for example `{}`",
            folder.display(),
            found.len(),
            first.display()
        ),
    }
}

/// The files named by the index of a sharded checkpoint, in order of name.
fn shards(index: &Path) -> Result<Vec<PathBuf>> {
    let wrong = || {
        format!(
            "`{}` is not the index of a sharded checkpoint",
            index.display()
        )
    };
    let text = fs::read(index).with_context(|| format!("cannot read `{}`", index.display()))?;
    let json: serde_json::Value = serde_json::from_slice(&text).with_context(wrong)?;
    let map = json.get("weight_map").and_then(|map| map.as_object());
    let mut files = Vec::new();
    for name in map
        .ok_or_else(|| anyhow!("{}: no `weight_map`", wrong()))?
        .values()
    {
        let name = name.as_str().map(Path::new);
        // A plain file name: an index must not lead out of its folder.
        let Some(name) = name.filter(|name| name.file_name() == Some(name.as_os_str())) else {
            bail!(
                "{}: `weight_map` holds something else than file names",
                wrong()
            );
        };
        files.push(index.with_file_name(name));
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        Err(anyhow!("{}: `weight_map` is empty", wrong()))
    } else {
        Ok(files)
    }
}

pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}
