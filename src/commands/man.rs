use crate::command::{Cli, Exit, print};
use clap::CommandFactory;
use clap_mangen::Man;
use std::collections::BTreeMap;
use std::io;

/// Print the manual page, dbsonde.1
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn execute(_: &Args) -> io::Result<Exit> {
    print(&String::from_utf8_lossy(&page()?))?;
    Ok(Exit::Fine)
}

/// One page with a section for each command: nobody looks for ten.
fn page() -> io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for sub in command.get_subcommands() {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let mut section = Vec::new();
        let man = Man::new(sub.clone());
        man.render_synopsis_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let section = String::from_utf8_lossy(&section);
        let lines = section.lines().filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "));
        // What clap writes as sections of a page is a part of one here.
        let lines: String = lines.map(|line| format!("{}\n", line.replacen(".SH ", ".SS ", 1))).collect();
        page.extend_from_slice(format!("{}{about}.\n{lines}", heading(sub.get_name())).as_bytes());
    }
    page.extend_from_slice(environment(&command).as_bytes());
    page.extend_from_slice(format!("{}{EXITS}", heading("exit status")).as_bytes());
    Ok(page)
}

fn heading(text: &str) -> String {
    format!(".SH \"{}\"\n", text.to_uppercase())
}

fn environment(command: &clap::Command) -> String {
    let flags = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let named = |flag: &clap::Arg| Some((flag.get_env()?.to_str()?.to_owned(), flag.get_long()?.to_owned()));
    let variables: BTreeMap<String, String> = flags.filter_map(named).collect();
    let lines =
        variables.iter().map(|(variable, flag)| format!(".TP\n{variable}\nThe same as \\-\\-{flag}.\n"));
    format!("{}{}", heading("environment"), lines.collect::<String>())
}

const EXITS: &str = "\
.TP\n0\nFine.\n.TP\n1\nA finding is urgent (inspect, replay).\n.TP\n2\nWrong arguments.\n.TP\n69\nA server cannot be \
reached.\n.TP\n70\nSomething of our own failed: a port that is taken, a file that cannot be written.\n.TP\n77\nA server \
refuses us.\n.TP\n78\nThe configuration is wrong.\n";

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_is_on_the_page() {
        let page = String::from_utf8(super::page().unwrap()).unwrap();
        for name in
            ["RUN", "INSPECT", "CHECK-CONFIG", "CHECK-TARGETS", "RECORD", "REPLAY", "RULES", "METRICS", "MAN"]
        {
            assert!(page.contains(&format!(".SH \"{name}\"")), "{name}");
        }
        assert!(page.contains("DBSONDE_CONFIG_FILE"));
    }
}
