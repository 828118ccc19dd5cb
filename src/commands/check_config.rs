use crate::command::{Exit, print, refuse};
use crate::config::{Config, DEFAULT_PATH, Door};
use std::io;
use std::path::PathBuf;

/// Say whether a file of settings is fine, and if not, where and why
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file
    #[arg(value_name = "F", default_value = DEFAULT_PATH, env = "DBSONDE_CONFIG_FILE", hide_env_values = true)]
    file: PathBuf,
}

pub fn execute(args: &Args) -> io::Result<Exit> {
    let config = match Config::from_file(&args.file) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(&error)),
    };
    if let Err(error) = Door::load(&config.web) {
        return Ok(refuse(&error));
    }
    let many = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (targets, sinks) = (many(config.target.len(), "target"), many(config.sink.len(), "sink"));
    print(&format!("{}: fine, {targets}, {sinks}\n", args.file.display()))?;
    Ok(Exit::Fine)
}
