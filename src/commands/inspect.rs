use super::findings::{Format, show};
use crate::command::{Exit, refuse, report, start_logging};
use crate::config::{Config, LogFormat, LogLevel, Span, Target};
use crate::engine::EngineError;
use crate::inspect::{self, Inspection};
use crate::rules::Handbook;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// The way into the rest of the program.
async fn look(target: &Target, handbook: &Handbook, how_long: Duration) -> Result<Inspection, EngineError> {
    inspect::inspect(target, handbook, how_long, None).await
}

/// Look at one server for a while, print what is wrong with it, leave
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server: postgres://user@host:5432/postgres
    url: String,
    /// How long to look
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = time, env = "DBSONDE_FOR", hide_env_values = true)]
    how_long: Span,
    /// How to print it
    #[arg(long, default_value = "text", env = "DBSONDE_FORMAT", hide_env_values = true)]
    format: Format,
}

pub async fn execute(args: Args) -> io::Result<Exit> {
    let config = match Config::for_url(&args.url) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(&error)),
    };
    if !start(&args.how_long) {
        return Ok(Exit::Usage);
    }
    let Some(target) = config.target.first() else { return Ok(Exit::Usage) };
    watching(target, args.how_long);
    match look(target, &config.rules, args.how_long.get()).await {
        Ok(inspection) => show(&inspection, args.format),
        Err(error) => Ok(report(&target.name, &error)),
    }
}

/// A day of looking is a job for `run`.
const MAX: Span = Span::days(1);

/// What `inspect` and `record` begin with.
pub fn start(how_long: &Span) -> bool {
    if how_long.get().is_zero() || *how_long > MAX {
        eprintln!("error: --for is more than nothing and at most {MAX}");
        return false;
    }
    start_logging(LogLevel::Warn, LogFormat::Text);
    true
}

pub fn watching(target: &Target, how_long: Span) {
    if io::stderr().is_terminal() {
        eprintln!("watching {} for {how_long} …", target.name);
    }
}

pub fn time(text: &str) -> Result<Span, String> {
    text.parse().map_err(|said: String| said.replace('\n', ": "))
}
