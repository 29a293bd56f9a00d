//! What was found, as lines for people and as JSON.

use anyhow::{Context, ensure};
use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::result;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Results so far.
pub(crate) struct Report {
    only: Option<String>,
    device: Value,
    checks: Vec<Value>,
    benches: Vec<Value>,
    /// What ran, and what of it failed.
    ran: usize,
    failed: usize,
}

impl Report {
    /// An empty report that names the device.
    pub(crate) fn start(device: &Device, only: Option<String>) -> anyhow::Result<Self> {
        let cuda = device.as_cuda_device()?;
        let context = cuda.cuda_stream().context().clone();
        let (major, minor) = context.compute_capability()?;
        let (free, total) = result::mem_get_info()?;
        let device = json!({
            "name": context.name()?,
            "compute_capability": format!("{major}.{minor}"),
            "memory_bytes": total,
            "free_bytes": free,
        });
        eprintln!("{device}");
        Ok(Self {
            only,
            device,
            checks: Vec::new(),
            benches: Vec::new(),
            ran: 0,
            failed: 0,
        })
    }

    /// Whether something of that name is to run.
    pub(crate) fn is_wanted(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }

    /// Runs a check and notes what came of it; a failure ends neither the others nor the program.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> anyhow::Result<String>) {
        if !self.is_wanted(name) {
            return;
        }
        self.ran += 1;
        let start = Instant::now();
        let outcome = check();
        let seconds = start.elapsed().as_secs_f64();
        let (is_passed, detail) = match outcome {
            Ok(detail) => (true, detail),
            Err(error) => (false, format!("{error:#}")),
        };
        self.failed += usize::from(!is_passed);
        eprintln!(
            "{} {name} ({seconds:.2} s): {detail}",
            if is_passed { "ok  " } else { "FAIL" }
        );
        self.checks.push(
            json!({ "name": name, "passed": is_passed, "seconds": seconds, "detail": detail }),
        );
    }

    /// Notes a check or a bench that this machine cannot run.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        if self.is_wanted(name) {
            eprintln!("skip {name}: {why}");
            self.checks.push(json!({ "name": name, "skipped": why }));
        }
    }

    /// Runs a bench and notes its figures; a failure counts as a check's.
    pub(crate) fn bench(&mut self, name: &str, bench: impl FnOnce() -> anyhow::Result<Value>) {
        if !self.is_wanted(name) {
            return;
        }
        self.ran += 1;
        match bench() {
            Ok(figures) => {
                eprintln!("     {name}: {figures}");
                self.benches
                    .push(json!({ "name": name, "figures": figures }));
            }
            Err(error) => {
                self.failed += 1;
                eprintln!("FAIL {name}: {error:#}");
                self.checks
                    .push(json!({ "name": name, "passed": false, "detail": format!("{error:#}") }));
            }
        }
    }

    /// Writes the report.
    ///
    /// # Errors
    ///
    /// If it cannot be written, anything failed, or there was nothing of the name that was wanted.
    pub(crate) fn finish(self, output: Option<&Path>) -> anyhow::Result<()> {
        ensure!(
            self.ran > 0 || !self.checks.is_empty(),
            "no check or bench has `{}` in its name",
            self.only.unwrap_or_default()
        );
        let json = json!({ "device": self.device, "checks": self.checks, "benches": self.benches });
        let text = serde_json::to_string_pretty(&json)?;
        match output {
            Some(path) => std::fs::write(path, text + "\n")
                .with_context(|| format!("writing {}", path.display()))?,
            None => println!("{text}"),
        }
        ensure!(
            self.failed == 0,
            "{} of {} checks and benches failed",
            self.failed,
            self.ran
        );
        Ok(())
    }
}
