//! Arguments, a command, an exit code.

use anyhow::Context;
use clap::Parser;
use dbsonde::command::{Cli, Exit};
use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

/// We wait for servers, we do not compute: each thread more would only keep memory of its own.
const WORKERS: usize = 1;
/// How long work that nobody waits for any more may hold up the exit.
const LEAVE: Duration = Duration::from_secs(1);

/// The system's allocator keeps what was free for a moment: half as much again as we use. See `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => Exit::Fine.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::Failed.into()
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    keep_memory_private();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let exit = runtime.block_on(cli.command.execute());
    runtime.shutdown_timeout(LEAVE);
    exit.context("cannot write the result")
}

/// Passwords pass through our memory: no crash writes it to a disk, and no other process of this user reads it.
fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        eprintln!("warning: a crash may write passwords into a core dump: {error}");
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
