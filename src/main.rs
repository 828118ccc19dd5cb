//! Arguments, a command, an exit code.

use anyhow::Context;
use clap::Parser;
use dbsonde::command::{Cli, Exit};
use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

/// We wait for servers, we do not compute: more threads would only cost memory.
const MAX_WORKERS: usize = 4;
/// How long work that nobody waits for any more may hold up the exit.
const LEAVE: Duration = Duration::from_secs(1);

/// Every beat takes and gives back some megabytes; the system's allocator keeps them all.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let exit = runtime.block_on(cli.command.execute());
    runtime.shutdown_timeout(LEAVE);
    exit.context("cannot write the result")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
