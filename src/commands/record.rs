use super::inspect::{start, time, watching};
use crate::command::{Exit, print, refuse, report};
use crate::config::{Config, Span, Target};
use crate::inspect::Inspection;
use crate::recording::{self, RecordingError};
use crate::rules::Handbook;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The way into the rest of the program.
async fn write_down(
    target: &Target,
    handbook: &Handbook,
    directory: &Path,
    how_long: Duration,
) -> Result<Inspection, RecordingError> {
    recording::record(target, handbook, directory, how_long).await
}

/// Write down what a server shows for a while: a bug report, or a test
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server: postgres://user@host:5432/postgres
    url: String,
    /// Where to put the recording; made if it is not there
    directory: PathBuf,
    /// How long to watch
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = time, env = "DBSONDE_FOR", hide_env_values = true)]
    how_long: Span,
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
    match write_down(target, &config.rules, &args.directory, args.how_long.get()).await {
        Ok(seen) => {
            let found = seen.findings.len();
            let place = args.directory.display();
            print(&format!("{place}: {} for {}, {found} findings\n", target.name, args.how_long))?;
            Ok(Exit::Fine)
        }
        Err(error) => Ok(fail(&target.name, &error)),
    }
}

/// Also for `replay`.
pub fn fail(what: &str, error: &RecordingError) -> Exit {
    match error {
        RecordingError::Engine(error) => report(what, error),
        RecordingError::File(_) | RecordingError::Content(_) => {
            eprintln!("error: {what}: {error}");
            Exit::Failed
        }
    }
}
