use crate::command::{Exit, refuse, start_journal};
use crate::config::{ConfigSource, LogFormat, LogLevel, Shard, StateDir};
use crate::daemon::{self, DaemonError};
use crate::telemetry::journal::Journal;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The way into the rest of the program.
async fn watch(source: ConfigSource, journal: Option<Journal>) -> Result<(), DaemonError> {
    daemon::run(source, journal).await
}

/// Watch servers until told to stop, and serve what is seen
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File of settings [default: /etc/dbsonde/dbsonde.toml, if there is no --target]
    #[arg(long = "config.file", value_name = "F", env = "DBSONDE_CONFIG_FILE", hide_env_values = true)]
    config_file: Option<PathBuf>,
    /// Server to watch: postgres://user@host:5432/postgres; may be repeated
    #[arg(long, value_name = "URL", env = "DBSONDE_TARGET", hide_env_values = true)]
    target: Vec<String>,
    /// Which part of the targets is ours, where several dbsondes share them: 1/3 is the first of three
    #[arg(long, value_name = "N/M", env = "DBSONDE_SHARD", hide_env_values = true)]
    shard: Option<Shard>,
    /// Address to serve on; may be repeated [default: 127.0.0.1:9909]
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        env = "DBSONDE_WEB_LISTEN_ADDRESS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    listen: Vec<SocketAddr>,
    /// TLS, users and headers for that address, as Prometheus's exporters have them
    #[arg(
        long = "web.config.file",
        value_name = "F",
        env = "DBSONDE_WEB_CONFIG_FILE",
        hide_env_values = true
    )]
    web_config: Option<PathBuf>,
    /// Directory for what survives a restart, or "none"
    #[arg(long = "state.dir", value_name = "D", env = "DBSONDE_STATE_DIR", hide_env_values = true)]
    state_dir: Option<String>,
    /// The least serious thing worth saying
    #[arg(long = "log.level", value_name = "L", env = "DBSONDE_LOG_LEVEL", hide_env_values = true)]
    log_level: Option<LogLevel>,
    /// How to say it
    #[arg(long = "log.format", value_name = "FORMAT", env = "DBSONDE_LOG_FORMAT", hide_env_values = true)]
    log_format: Option<LogFormat>,
}

impl From<Args> for ConfigSource {
    fn from(args: Args) -> Self {
        Self {
            path: args.config_file,
            targets: args.target,
            shard: args.shard,
            listen: args.listen,
            web_config: args.web_config,
            state_dir: args.state_dir.map(StateDir::from),
            log_level: args.log_level,
            log_format: args.log_format,
        }
    }
}

pub async fn execute(args: Args) -> io::Result<Exit> {
    let source = ConfigSource::from(args);
    // Read once before the daemon does, for how it is to log and for a diagnostic with a caret.
    let journal = match source.load() {
        Ok(config) => start_journal(config.log.level, config.log.format),
        Err(error) => return Ok(refuse(&error)),
    };
    let exit = match watch(source, journal.clone()).await {
        Ok(()) => Exit::Fine,
        Err(DaemonError::Config(error)) => refuse(&error),
        Err(error) => {
            tracing::error!("{error}");
            Exit::Failed
        }
    };
    journal.iter().for_each(Journal::finish);
    Ok(exit)
}
