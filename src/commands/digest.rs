mod figures;
mod html;
mod text;

use crate::command::{Exit, print};
use crate::config::width;
use crate::digest::report::Report;
use crate::digest::{self, Filter, Job, Progress};
use crate::log::{Format, Micros};
use crate::logs::moment;
use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Text,
    Json,
    /// One query a line
    Jsonl,
    Html,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Auto,
    Forced(Format),
}

/// Add up logs: statements with percentiles, events, locks, deadlocks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The logs; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What they are: auto, postgres-stderr, postgres-csv, postgres-json, mysql-slow or mysql-error
    #[arg(long, default_value = "auto", value_parser = input, env = "DBSONDE_INPUT", hide_env_values = true)]
    input: Input,
    /// The log_line_prefix of a plain PostgreSQL log; without it, it is inferred
    #[arg(long, value_name = "P", env = "DBSONDE_LOG_LINE_PREFIX", hide_env_values = true)]
    log_line_prefix: Option<String>,
    /// How to print the result
    #[arg(long, default_value = "text", env = "DBSONDE_FORMAT", hide_env_values = true)]
    format: Output,
    /// How many statements to print
    #[arg(long, value_name = "N", default_value_t = 20, env = "DBSONDE_TOP", hide_env_values = true)]
    top: usize,
    /// Only entries from this time on, as in "2026-11-20 22:17"; UTC if it names no zone
    #[arg(long, value_name = "TIME", value_parser = time, env = "DBSONDE_SINCE", hide_env_values = true)]
    since: Option<Micros>,
    /// Only entries before this time
    #[arg(long, value_name = "TIME", value_parser = time, env = "DBSONDE_UNTIL", hide_env_values = true)]
    until: Option<Micros>,
    /// Only entries of this database
    #[arg(long, value_name = "NAME", env = "DBSONDE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Only entries of this user
    #[arg(long, value_name = "NAME", env = "DBSONDE_USER", hide_env_values = true)]
    user: Option<String>,
    /// How many threads read; 0 is one for each processor
    #[arg(long, value_name = "N", default_value_t = 0, env = "DBSONDE_THREADS", hide_env_values = true)]
    threads: usize,
}

fn input(text: &str) -> Result<Input, String> {
    if text == "auto" { Ok(Input::Auto) } else { text.parse().map(Input::Forced) }
}

fn time(text: &str) -> Result<Micros, String> {
    moment::written(text)
        .ok_or_else(|| "write it as 2026-11-20, 2026-11-20 22:17 or 2026-11-20T22:17:00Z".into())
}

pub fn execute(args: Args) -> io::Result<Exit> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let job = Job {
        files: args.files,
        format: match args.input {
            Input::Auto => None,
            Input::Forced(format) => Some(format),
        },
        line_prefix: args.log_line_prefix,
        filter: Filter { since: args.since, until: args.until, database: args.database, user: args.user },
        threads: if args.threads == 0 { processors } else { args.threads.min(MAX_THREADS) },
    };
    match showing(&job) {
        Ok(sum) => {
            let report = Report::of(&sum, job.files.len(), args.top);
            show(&report, args.format)?;
            Ok(Exit::Fine)
        }
        Err(error) => {
            eprintln!("error: {error}");
            Ok(Exit::Failed)
        }
    }
}

/// Reads, and tells a terminal how far it is.
fn showing(job: &Job) -> Result<digest::Sum, digest::DigestError> {
    const STEP: Duration = Duration::from_millis(200);
    let progress = Progress::default();
    if !io::stderr().is_terminal() {
        return digest::digest(job, &progress);
    }
    thread::scope(|scope| {
        let reading = scope.spawn(|| digest::digest(job, &progress));
        while !reading.is_finished() {
            thread::sleep(STEP);
            eprint!("\r\x1b[K{} read", figures::bytes(progress.load(Ordering::Relaxed)));
        }
        eprint!("\r\x1b[K");
        reading.join().unwrap_or(Err(digest::DigestError::Panicked))
    })
}

/// More threads than this only wait for the disk.
const MAX_THREADS: usize = 64;

fn show(report: &Report, output: Output) -> io::Result<()> {
    match output {
        Output::Json => print(&format!("{}\n", serde_json::to_string(report)?)),
        Output::Jsonl => {
            report.queries.iter().try_for_each(|query| print(&format!("{}\n", serde_json::to_string(query)?)))
        }
        Output::Text => print(&text::text(report, width())),
        Output::Html => print(&html::html(report)),
    }
}
