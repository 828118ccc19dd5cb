use super::findings::{Format, show};
use super::record::fail;
use crate::command::Exit;
use crate::inspect::Inspection;
use crate::recording::{self, RecordingError};
use crate::rules::Handbook;
use std::io;
use std::path::{Path, PathBuf};

/// The way into the rest of the program.
fn play(directory: &Path) -> Result<Inspection, RecordingError> {
    recording::replay(directory, &Handbook::default())
}

/// Read a recording as if it were the server, and print what was wrong with it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `record` wrote
    directory: PathBuf,
    /// How to print it
    #[arg(long, default_value = "text", env = "DBSONDE_FORMAT", hide_env_values = true)]
    format: Format,
}

pub fn execute(args: &Args) -> io::Result<Exit> {
    match play(&args.directory) {
        Ok(inspection) => show(&inspection, args.format),
        Err(error) => Ok(fail(&args.directory.display().to_string(), &error)),
    }
}
