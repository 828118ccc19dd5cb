use crate::command::{Exit, print};
use clap::ValueEnum;
use std::io;

/// Print the SQL that gives a login the rights of a tier
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the server is
    #[arg(long, env = "DBSONDE_ENGINE", hide_env_values = true)]
    engine: Flavour,
    /// stats sees no data; advise adds plans and what the planner knows of columns; full reads everything
    #[arg(long, env = "DBSONDE_TIER", hide_env_values = true)]
    tier: Tier,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Flavour {
    Postgres,
    Mysql,
    Mariadb,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tier {
    Stats,
    Advise,
    Full,
}

macro_rules! tiers {
    ($flavour:literal) => {
        [
            include_str!(concat!("../../deploy/grants/", $flavour, ".stats.sql")),
            include_str!(concat!("../../deploy/grants/", $flavour, ".advise.sql")),
            include_str!(concat!("../../deploy/grants/", $flavour, ".full.sql")),
        ]
    };
}

pub fn execute(args: &Args) -> io::Result<Exit> {
    print(&scripts(args.engine, args.tier).join("\n"))?;
    Ok(Exit::Fine)
}

/// The higher tiers stand on the first.
fn scripts(flavour: Flavour, tier: Tier) -> Vec<&'static str> {
    let [stats, advise, full] = match flavour {
        Flavour::Postgres => tiers!("postgres"),
        Flavour::Mysql => tiers!("mysql"),
        Flavour::Mariadb => tiers!("mariadb"),
    };
    match tier {
        Tier::Stats => vec![stats],
        Tier::Advise => vec![stats, advise],
        Tier::Full => vec![stats, full],
    }
}
