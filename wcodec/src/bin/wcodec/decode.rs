//! `wcodec decode`.

use crate::args::Decode;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::progress::Meter;
use crate::sizes::{Measured, Sizes};
use crate::units;
use serde::Serialize;
use std::path::{Path, PathBuf};
use wcodec::Reader;
use wcodec::checkpoint::{ExportOptions, Progress, export};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    command: &'static str,
    file: &'a Path,
    target: &'a Path,
    files: &'a [PathBuf],
    #[serde(flatten)]
    measured: Measured,
}

/// Restores the checkpoint and says how it went.
pub(crate) fn run(args: &Decode) -> Outcome {
    crate::prepare(&args.work)?;
    let reader = Reader::open(&args.file)?;
    let target = match &args.output {
        Some(target) => target.clone(),
        None => default_target(&args.file)?,
    };
    check_target(&target)?;
    let meter = Meter::start("decode", args.work.quiet);
    let on_progress = |progress: Progress<'_>| meter.update(progress);
    let options = ExportOptions {
        replace: args.force,
        no_attachments: args.no_attach,
        on_progress: Some(&on_progress),
    };
    let summary = export(&reader, &target, &options)?;
    let time = meter.finish();
    if args.work.quiet {
        return Ok(());
    }
    let sizes = Sizes::of(&reader)?;
    if args.work.json {
        let (file, files, measured) = (&args.file, &summary.files, sizes.measured(time));
        return output::print_json(&Report {
            command: "decode",
            file,
            target: &target,
            files,
            measured,
        });
    }
    output::print(&format!(
        "{}: {} -> {} in {} {}, {}\n",
        output::printable(&target.display().to_string()),
        units::bytes(sizes.file_bytes),
        units::bytes(summary.source_bytes),
        summary.files.len(),
        if summary.files.len() == 1 {
            "file"
        } else {
            "files"
        },
        units::time_and_speed(summary.source_bytes, time),
    ))
}

/// A folder named like the file, in the current folder.
fn default_target(file: &Path) -> Outcome<PathBuf> {
    let stem = file.file_stem().filter(|_| file.extension().is_some());
    // `model.safetensors.wcodec` makes the folder `model`, not a file that leaves the attachments out.
    let stem = stem.map(Path::new).map(|stem| match stem.extension() {
        Some(extension) if extension == "safetensors" => stem.with_extension(""),
        _ => stem.to_owned(),
    });
    let nameless = || {
        Failure::Usage(format!(
            "{}: no folder to call after it; add -o TARGET",
            file.display()
        ))
    };
    stem.ok_or_else(nameless)
}

/// Refuses targets that cannot be, before anything is read.
fn check_target(target: &Path) -> Outcome {
    let one_file = target
        .extension()
        .is_some_and(|extension| extension == "safetensors");
    let refuse = |what: &str| Err(Failure::Usage(format!("{}: {what}", target.display())));
    if one_file && target.is_dir() {
        return refuse("is a folder; name a .safetensors file, or a folder of another name");
    }
    if !one_file && target.exists() && !target.is_dir() {
        return refuse("is a file; name a folder or a .safetensors file");
    }
    output::check_folder_of(target)
}
