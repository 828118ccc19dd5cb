use crate::command::{Cli, Exit, print};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io;

/// Print what teaches a shell to complete our commands
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

pub fn execute(args: &Args) -> io::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dbsonde", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
