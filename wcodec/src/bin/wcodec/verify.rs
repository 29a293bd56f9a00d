//! `wcodec verify`.

use crate::args::Verify;
use crate::failure::Outcome;
use crate::output;
use crate::progress::Meter;
use crate::sizes::{Measured, Sizes};
use crate::units;
use serde::Serialize;
use std::path::Path;
use wcodec::Reader;
use wcodec::checkpoint::{Progress, VerifyOptions, verify};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    command: &'static str,
    file: &'a Path,
    against: Option<&'a Path>,
    #[serde(flatten)]
    measured: Measured,
}

/// Checks the file and says how it went.
pub(crate) fn run(args: &Verify) -> Outcome {
    crate::prepare(&args.work)?;
    let meter = Meter::start("verify", args.work.quiet);
    let reader = Reader::open(&args.file)?;
    let on_progress = |progress: Progress<'_>| meter.update(progress);
    let options = VerifyOptions {
        against: args.against.as_deref(),
        on_progress: Some(&on_progress),
    };
    let summary = verify(&reader, &options).map_err(|error| error.in_file(&args.file))?;
    let time = meter.finish();
    if args.work.quiet {
        return Ok(());
    }
    if args.work.json {
        let (file, against, measured) = (
            &args.file,
            args.against.as_deref(),
            Sizes::of(&reader)?.measured(time),
        );
        return output::print_json(&Report {
            command: "verify",
            file,
            against,
            measured,
        });
    }
    let found = match &args.against {
        Some(path) => format!("bit-exact with {}", path.display()),
        None => "whole".to_owned(),
    };
    output::print(&format!(
        "{}: {}, {} tensors, {}, {}\n",
        output::printable(&args.file.display().to_string()),
        output::printable(&found),
        units::count(summary.num_tensors as u64),
        units::bytes(summary.raw_bytes),
        units::time_and_speed(summary.raw_bytes, time),
    ))
}
