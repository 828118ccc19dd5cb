//! The contract of a command: arguments in, an exit code out. Results go to standard output, everything else to
//! standard error. One file each in `commands/`.

use crate::commands::{
    check_config, check_targets, completions, digest, fingerprint, grants, inspect, man, metrics, plan,
    record, replay, rules, run,
};
use crate::config::{ConfigError, LogFormat, LogLevel, has_secret_argument, wants_colour};
use crate::engine::EngineError;
use crate::telemetry::journal::Journal;
use clap::{Parser, Subcommand};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Watches database servers without hurting them, and says what is wrong, why, and how to mend it.
#[derive(Debug, Parser)]
#[command(name = "dbsonde", version, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Run(run::Args),
    Inspect(inspect::Args),
    CheckConfig(check_config::Args),
    CheckTargets(check_targets::Args),
    Grants(grants::Args),
    Record(record::Args),
    Replay(replay::Args),
    Fingerprint(fingerprint::Args),
    Digest(digest::Args),
    Plan(plan::Args),
    Rules(rules::Args),
    Metrics(metrics::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Fails only where standard output does.
    pub async fn execute(self) -> io::Result<Exit> {
        match self {
            Command::Run(args) => run::execute(args).await,
            Command::Inspect(args) => inspect::execute(args).await,
            Command::CheckConfig(args) => check_config::execute(&args),
            Command::CheckTargets(args) => check_targets::execute(&args).await,
            Command::Grants(args) => grants::execute(&args),
            Command::Record(args) => record::execute(args).await,
            Command::Replay(args) => replay::execute(&args),
            Command::Fingerprint(args) => fingerprint::execute(&args),
            Command::Digest(args) => digest::execute(args),
            Command::Plan(args) => plan::execute(&args),
            Command::Rules(args) => rules::execute(&args),
            Command::Metrics(args) => metrics::execute(&args),
            Command::Completions(args) => completions::execute(&args),
            Command::Man(args) => man::execute(&args),
        }
    }
}

/// Scripts rely on these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Fine = 0,
    /// A finding is urgent.
    Urgent = 1,
    Usage = 2,
    Unreachable = 69,
    /// Something of our own: a port that is taken, a disk that is full.
    Failed = 70,
    Denied = 77,
    BadConfig = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<&EngineError> for Exit {
    fn from(error: &EngineError) -> Exit {
        match error {
            EngineError::Denied(_) | EngineError::Refused(_) => Exit::Denied,
            EngineError::Unreachable(_)
            | EngineError::Timeout(_)
            | EngineError::Hanging(_)
            | EngineError::Unsupported(_) => Exit::Unreachable,
        }
    }
}

/// Says what is wrong with the configuration.
pub fn refuse(error: &ConfigError) -> Exit {
    eprintln!("{}", error.render(io::stderr().is_terminal() && wants_colour()));
    if error.usage { Exit::Usage } else { Exit::BadConfig }
}

/// Says what went wrong with a server.
pub fn report(name: &str, error: &EngineError) -> Exit {
    eprintln!("error: {name}: {error}");
    error.into()
}

/// Prints a result. Colours are for eyes.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

pub fn prints_colour() -> bool {
    io::stdout().is_terminal() && wants_colour()
}

const SECRET_ARGUMENT: &str = "the password in the URL can be read by everybody on this machine; \
     use PGPASSFILE or password_file instead";

/// Our own words from `level` up, those of libraries from `warn` up: theirs may hold what ours never do.
pub fn start_logging(level: LogLevel, format: LogFormat) {
    log_to(io::stderr, level, format);
}

/// The same for who runs for long: whoever stops reading us must not hold us up. No thread, no such promise.
pub fn start_journal(level: LogLevel, format: LogFormat) -> Option<Journal> {
    let journal = Journal::start(io::stderr()).ok();
    match &journal {
        Some(journal) => log_to(journal.clone(), level, format),
        None => start_logging(level, format),
    }
    journal
}

fn log_to(writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static, level: LogLevel, format: LogFormat) {
    let (libraries, own) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::WARN, LevelFilter::INFO),
        LogLevel::Debug => (LevelFilter::WARN, LevelFilter::DEBUG),
        LogLevel::Trace => (LevelFilter::WARN, LevelFilter::TRACE),
    };
    let wanted = Targets::new().with_default(libraries).with_target("dbsonde", own);
    let colour = io::stderr().is_terminal() && wants_colour();
    let builder =
        tracing_subscriber::fmt().with_writer(writer).with_ansi(colour).with_max_level(LevelFilter::TRACE);
    // A second start, in a test, changes nothing.
    let _ = match format {
        LogFormat::Text => builder.finish().with(wanted).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(wanted).try_init(),
    };
    if has_secret_argument() {
        tracing::warn!("{SECRET_ARGUMENT}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_make_sense() {
        Cli::command().debug_assert();
    }

    /// Every flag has its variable, and none shows what is in it.
    #[test]
    fn every_flag_has_a_variable() {
        for command in Cli::command().get_subcommands() {
            for flag in
                command.get_arguments().filter(|flag| flag.get_long().is_some_and(|name| name != "help"))
            {
                let wanted = flag.get_long().unwrap_or_default().to_uppercase().replace(['.', '-'], "_");
                let env = flag.get_env().and_then(|env| env.to_str()).unwrap_or_default();
                assert_eq!(env, format!("DBSONDE_{wanted}"), "{}", command.get_name());
                assert!(flag.is_hide_env_values_set(), "{wanted}");
            }
        }
    }
}
