//! `wcodec encode`.

use crate::args::Encode;
use crate::explain::Explainer;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::progress::Meter;
use crate::sizes::{Measured, Sizes};
use crate::units;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wcodec::checkpoint::{Explanation, ImportOptions, Progress, import};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    command: &'static str,
    source: &'a Path,
    file: &'a Path,
    #[serde(flatten)]
    measured: Measured,
}

/// Encodes the checkpoint and says how it went.
pub(crate) fn run(args: &Encode) -> Outcome {
    crate::prepare(&args.work)?;
    let target = match &args.output {
        Some(target) => target.clone(),
        None => default_target(&args.source)?,
    };
    check_target(&args.source, &target)?;
    let explainer = match &args.explain {
        Some(path) => Some(Explainer::new(path, &target)?),
        None => None,
    };
    let explain = |explanation: Explanation<'_>| {
        if let Some(explainer) = &explainer {
            explainer.note(explanation);
        }
    };
    let meter = Meter::start("encode", args.work.quiet);
    let on_progress = |progress: Progress<'_>| meter.update(progress);
    let options = ImportOptions {
        effort: args.effort.into(),
        replace: args.force,
        no_default_attachments: args.no_attach,
        attachments: args.attach.clone(),
        only: args.only(),
        on_progress: Some(&on_progress),
        on_explanation: explainer.is_some().then_some(&explain),
    };
    let summary = import(&args.source, &target, &options)?;
    let time = meter.finish();
    if let Some(explainer) = explainer {
        explainer.write(&args.source, &target)?;
    }
    if args.work.quiet {
        return Ok(());
    }
    let sizes = Sizes::from(&summary);
    if args.work.json {
        let measured = sizes.measured(time);
        return output::print_json(&Report {
            command: "encode",
            source: &args.source,
            file: &target,
            measured,
        });
    }
    output::print(&closing_line(&target, &sizes, time))
}

/// The name of the folder or file with `.wcodec`, in the current folder.
fn default_target(source: &Path) -> Outcome<PathBuf> {
    let nameless = || {
        Failure::Usage(format!(
            "{}: no name to call the output after; add -o FILE",
            source.display()
        ))
    };
    let is_index = source
        .extension()
        .is_some_and(|extension| extension == "json");
    // A name such as `.` says nothing, and a shard index has its folder's name.
    let whole = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    let named = if is_index {
        whole.parent().ok_or_else(nameless)?
    } else {
        &whole
    };
    let name = if named.is_dir() {
        named.file_name()
    } else {
        named.file_stem()
    };
    let mut name: OsString = name.ok_or_else(nameless)?.to_owned();
    name.push(".wcodec");
    Ok(name.into())
}

/// Refuses targets that no encoder should write to, before anything is read.
fn check_target(source: &Path, target: &Path) -> Outcome {
    let refuse = |what: &str| Err(Failure::Usage(format!("{}: {what}", target.display())));
    if target.is_dir() {
        return refuse("is a folder; name a file to write");
    }
    if target
        .extension()
        .is_some_and(|extension| extension == "safetensors")
    {
        return refuse("would be taken for a safetensors file; name a .wcodec file");
    }
    if let (Ok(source), Ok(target)) = (source.canonicalize(), target.canonicalize())
        && source == target
    {
        return refuse("is the checkpoint itself; name another file");
    }
    output::check_folder_of(target)
}

fn closing_line(target: &Path, sizes: &Sizes, time: Duration) -> String {
    let attached = match sizes.attachment_bytes {
        0 => String::new(),
        bytes => format!(" + {} attached", units::bytes(bytes)),
    };
    let per_weight = sizes
        .bits_per_weight()
        .map_or(String::new(), |bits| format!(" {bits:.2} b/w,"));
    format!(
        "{}: {} -> {} ({}){attached},{per_weight} {} weights, {}\n",
        output::printable(&target.display().to_string()),
        units::bytes(sizes.source_bytes),
        units::bytes(sizes.coded_bytes()),
        units::percent(sizes.coded_bytes(), sizes.source_bytes),
        units::count(sizes.elements),
        units::time_and_speed(sizes.source_bytes, time),
    )
}
