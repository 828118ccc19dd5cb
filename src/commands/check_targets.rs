use super::text::{fill, indent};
use crate::check;
use crate::command::{Exit, print, refuse};
use crate::config::{self, Config, DEFAULT_PATH, HttpList, Target};
use crate::daemon;
use crate::engine::{EngineError, ServerFacts};
use crate::model::Name;
use std::io;
use std::path::PathBuf;

/// The way into the rest of the program.
async fn ask(config: &Config) -> Vec<(Name, Result<ServerFacts, EngineError>)> {
    check::check_targets(config).await
}

async fn listed(list: &HttpList) -> Result<Vec<Target>, String> {
    daemon::lists::once(list).await
}

/// Connect to every server and say what its login may see, what that disables, and how to mend it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file of settings
    #[arg(value_name = "F", default_value = DEFAULT_PATH, env = "DBSONDE_CONFIG_FILE", hide_env_values = true)]
    file: PathBuf,
}

pub async fn execute(args: &Args) -> io::Result<Exit> {
    let mut config = match Config::from_file(&args.file).and_then(Config::with_files) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(&error)),
    };
    for list in config.discovery.http.clone() {
        match listed(&list).await {
            Ok(targets) => {
                if let Err(error) = config.admit(targets, list.name()) {
                    return Ok(refuse(&error));
                }
            }
            Err(why) => eprintln!("{}: {why}", list.name()),
        }
    }
    if config.target.is_empty() {
        eprintln!("{}: there is no [[target]] to connect to", args.file.display());
    }
    let mut exit = Exit::Fine;
    for (name, answer) in ask(&config).await {
        print(&tell(&name, &answer, config::width()))?;
        if let Err(error) = &answer {
            exit = worse(exit, error.into());
        }
    }
    Ok(exit)
}

/// One code for many servers: a refusal needs somebody, a server out of reach may come back.
fn worse(one: Exit, other: Exit) -> Exit {
    if one == Exit::Denied { one } else { other }
}

fn tell(name: &str, answer: &Result<ServerFacts, EngineError>, width: usize) -> String {
    let facts = match answer {
        Ok(facts) => facts,
        Err(error) => return format!("{name}: {error}\n\n"),
    };
    let mut said =
        format!("{name}: {} {}, {}, tier {}\n", facts.engine, facts.version, facts.role, facts.tier);
    if facts.lacks.is_empty() {
        said.push_str("  nothing is lacking\n");
    }
    for lack in &facts.lacks {
        let sentence = format!("lacks {}: {}", lack.what, lack.disables);
        said.push_str(&indent(&fill(&sentence, width.saturating_sub(2)), 2));
        // To be copied whole, so it is not wrapped.
        said.push_str(&indent(&lack.mend, 6));
    }
    said.push('\n');
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Lack;

    #[test]
    fn a_lack_comes_with_its_grant() {
        let facts = ServerFacts {
            engine: "postgres",
            version: "17.2".into(),
            role: "primary",
            tier: "stats",
            lacks: vec![Lack {
                what: "pg_monitor".into(),
                disables: "statements of other users are not seen".into(),
                mend: "GRANT pg_monitor TO dbsonde;".into(),
            }],
            ..ServerFacts::default()
        };
        let expected = "orders: postgres 17.2, primary, tier stats\n  \
                        lacks pg_monitor: statements of other users are not seen\n      \
                        GRANT pg_monitor TO dbsonde;\n\n";
        assert_eq!(tell("orders", &Ok(facts), 80), expected);
    }

    #[test]
    fn a_refusal_outweighs_silence() {
        assert_eq!(worse(Exit::Denied, Exit::Unreachable), Exit::Denied);
        assert_eq!(worse(Exit::Unreachable, Exit::Denied), Exit::Denied);
    }
}
