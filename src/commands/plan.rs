mod text;

use crate::command::{Exit, print};
use crate::config::width;
use crate::explain;
use crate::model::plan::PlanNode;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Far more than a server prints of what we take of a plan.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Read what EXPLAIN printed, of any server and in any form, and show it as one tree without its values
///
/// PostgreSQL: text, JSON, YAML, XML. MySQL: JSON (both versions), TREE, EXPLAIN ANALYZE, the table. MariaDB: JSON,
/// ANALYZE FORMAT=JSON, the table. What psql, mysql and mariadb put around it is left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What EXPLAIN printed; standard input if it is missing or -
    file: Option<PathBuf>,
    /// How to print it
    #[arg(long, default_value = "text", env = "DBSONDE_FORMAT", hide_env_values = true)]
    format: Output,
}

pub fn execute(args: &Args) -> io::Result<Exit> {
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    let name = file.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
    let plan = match read(file) {
        Ok(bytes) if bytes.len() as u64 > MAX_BYTES => Err(format!("more than {} MiB", MAX_BYTES >> 20)),
        Ok(bytes) => explain::read(&bytes).ok_or_else(|| "this is no plan that I can read".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match plan {
        Ok(plan) => {
            show(&plan, args.format)?;
            Ok(Exit::Fine)
        }
        // What was read stays unsaid: it has values in it.
        Err(why) => {
            eprintln!("error: {name}: {why}");
            Ok(Exit::Failed)
        }
    }
}

fn read(file: Option<&Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file {
        Some(file) => File::open(file)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?,
        None => io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn show(plan: &PlanNode, output: Output) -> io::Result<()> {
    match output {
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(plan)?)),
        Output::Text => print(&text::text(plan, width())),
    }
}
