//! `report`: every measurement in one run, as tables and plots. See benches/README.md.

mod cache;
mod codecs;
mod loads;
mod machine;
mod measure;
mod plot;
mod rows;
mod tables;

use clap::{Args, Parser, Subcommand};
use rows::{CodecRow, from_csv, read, write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use wcodec_benches::{Format, Input};

/// Measures wcodec beside its peers and writes tables and plots.
#[derive(Debug, Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write the inputs as safetensors files, for benches/peers/peers.py.
    Inputs(InputArgs),
    /// Draw the plots and write the tables of a results folder again.
    Plot(PlotArgs),
    /// Measure the codecs with the path that WCODEC_SIMD names; rows on stdout.
    #[command(hide = true)]
    Codecs(codecs::CodecArgs),
    /// Load one checkpoint once; the measurement on stdout.
    #[command(hide = true)]
    Load(loads::LoadArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Where the results go [default: the machine's name in benches/results].
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// What the machine is called [default: its CPU and number of cores].
    #[arg(long)]
    machine: Option<String>,
    /// Rows that benches/peers/peers.py wrote, for the plots and tables.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Paths to measure [default: all that the machine has].
    #[arg(long, value_delimiter = ',')]
    paths: Vec<String>,
    #[command(flatten)]
    codecs: measure::Measure,
    /// A folder on a disk, for loads from a cold file. About 4 GB free.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    disk: PathBuf,
    /// A fourth of the bytes, two layers of the large Llama, fewer repetitions.
    #[arg(long)]
    quick: bool,
    /// Leave out the loads.
    #[arg(long)]
    no_loads: bool,
    /// Leave out the codecs.
    #[arg(long)]
    no_codecs: bool,
}

#[derive(Debug, Args)]
struct InputArgs {
    /// The folder to write into.
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    codecs: measure::Measure,
}

#[derive(Debug, Args)]
struct PlotArgs {
    /// The results folder.
    folder: PathBuf,
    /// Rows that benches/peers/peers.py wrote; they are kept with the results.
    #[arg(long)]
    peers: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.task {
        None => run(cli.run),
        Some(Task::Inputs(args)) => inputs(&args),
        Some(Task::Plot(args)) => draw(&args.folder, args.peers.as_deref()),
        Some(Task::Codecs(args)) => codecs::run(&args),
        Some(Task::Load(args)) => loads::run_one(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: RunArgs) -> anyhow::Result<()> {
    if args.quick {
        args.codecs.shorten();
    }
    let machine = machine::Machine::read(args.machine.clone());
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let folder = args
        .output
        .clone()
        .unwrap_or_else(|| results.join(machine.slug()));
    std::fs::create_dir_all(&folder)?;
    if !args.no_codecs {
        let rows = measure_paths(&args)?;
        write(&folder.join("codecs.csv"), &rows)?;
    }
    if !args.no_loads {
        let rows = loads::run(&args.disk, args.quick)?;
        write(&folder.join("loads.csv"), &rows)?;
    }
    serde_json::to_writer_pretty(
        std::fs::File::create(folder.join("machine.json"))?,
        &machine,
    )?;
    draw(&folder, args.peers.as_deref())
}

/// One process for each path, since a process keeps the first it takes: the best one with all peers, the others beside
/// a copy.
fn measure_paths(args: &RunArgs) -> anyhow::Result<Vec<CodecRow>> {
    let here: Vec<String> = wcodec::simd::available().map(str::to_owned).collect();
    if let Some(missing) = args.paths.iter().find(|path| !here.contains(path)) {
        anyhow::bail!("--paths {missing}: this machine has {}", here.join(", "));
    }
    let wanted = if args.paths.is_empty() {
        here
    } else {
        args.paths.clone()
    };
    let mut rows = Vec::new();
    for (number, path) in wanted.iter().rev().enumerate() {
        eprintln!(
            "== wcodec with {path}{}",
            if number == 0 { ", and its peers" } else { "" }
        );
        let mut child = Command::new(std::env::current_exe()?);
        child
            .arg("codecs")
            .args(args.codecs.as_arguments())
            .env("WCODEC_SIMD", path)
            .stderr(Stdio::inherit());
        if number > 0 {
            child.arg("--ours-only");
        }
        let output = child.output()?;
        anyhow::ensure!(output.status.success(), "measuring {path} failed");
        rows.extend(from_csv::<CodecRow>(output.stdout.as_slice())?);
    }
    Ok(rows)
}

fn inputs(args: &InputArgs) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.output)?;
    for &format in args.codecs.formats() {
        let input = Input::write(format, args.codecs.raw_bytes(), &args.output)?;
        eprintln!(
            "{}: {} MB of {}",
            input.path.display(),
            input.raw().len() / 1_000_000,
            input.source
        );
    }
    Ok(())
}

/// Plots and tables of what lies in `folder`. Rows of peers that measured other bytes are left out, loudly.
fn draw(folder: &Path, peers: Option<&Path>) -> anyhow::Result<()> {
    let machine = machine::Machine::load(&folder.join("machine.json"))?;
    let kept = folder.join("peers.csv");
    if let Some(peers) = peers.filter(|peers| *peers != kept) {
        std::fs::copy(peers, &kept)?;
    }
    let mut rows: Vec<CodecRow> = read(&folder.join("codecs.csv"))?;
    let (same, other): (Vec<CodecRow>, Vec<CodecRow>) = read(&kept)?
        .into_iter()
        .partition(|peer: &CodecRow| rows.iter().any(|row| row.input_sha256 == peer.input_sha256));
    if !other.is_empty() {
        eprintln!(
            "{} rows of peers left out: they measured other bytes than the report",
            other.len()
        );
    }
    rows.extend(same);
    let loads = read(&folder.join("loads.csv"))?;
    std::fs::write(
        folder.join("tables.md"),
        tables::markdown(&machine, &rows, &loads),
    )?;
    for format in Format::ALL {
        let file = folder.join(format!("decode-{format}.svg"));
        if plot::draw(&file, format, &machine, &rows)? {
            eprintln!("{}", file.display());
        }
    }
    Ok(())
}
