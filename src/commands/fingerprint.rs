use crate::command::Exit;
use crate::sql::{Dialect, MAX_TEXT, SqlMode, normalise, normalise_cut};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};

/// A text of the longest that is read, each byte of it written as an escape, and room for what stands around it.
const MAX_LINE: u64 = 6 * MAX_TEXT as u64 + 4096;

/// Give the fingerprints of statements
///
/// JSON lines {"sql": "…"} on standard input, {"fingerprint", "digest"} or {"refused": "why"} for each on standard
/// output. "cut": true beside "sql" says that the text has lost its end.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How the statements are written
    #[arg(long, env = "DBSONDE_DIALECT", hide_env_values = true)]
    dialect: Name,
    /// The server's @@sql_mode: ANSI_QUOTES and NO_BACKSLASH_ESCAPES matter. MySQL only
    #[arg(long, default_value = "", env = "DBSONDE_SQL_MODE", hide_env_values = true)]
    sql_mode: String,
    /// The server's @@version, which decides what a versioned comment is. MySQL only
    #[arg(long, default_value = "", env = "DBSONDE_SERVER_VERSION", hide_env_values = true)]
    server_version: String,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Name {
    Postgres,
    Mysql,
}

#[derive(Deserialize)]
struct Question {
    sql: String,
    #[serde(default)]
    cut: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Known {
        fingerprint: String,
        digest: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    Refused {
        refused: String,
    },
}

pub fn execute(args: &Args) -> io::Result<Exit> {
    let dialect = match args.dialect {
        Name::Postgres => Dialect::Postgres,
        Name::Mysql => Dialect::Mysql(SqlMode::of(&args.sql_mode, &args.server_version)),
    };
    answer_all(dialect, &mut io::stdin().lock(), &mut io::stdout().lock())?;
    Ok(Exit::Fine)
}

fn answer_all(dialect: Dialect, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return to.flush();
        }
        let whole = line.ends_with(b"\n") || (line.len() as u64) < MAX_LINE;
        if !whole {
            skip_line(from)?;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        serde_json::to_writer(&mut *to, &answer(dialect, &line))?;
        to.write_all(b"\n")?;
    }
}

/// The rest of a line that is longer than any text we read.
fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let seen = from.fill_buf()?;
        let end = seen.iter().position(|byte| *byte == b'\n');
        let (length, last) = (end.map_or(seen.len(), |end| end + 1), end.is_some() || seen.is_empty());
        from.consume(length);
        if last {
            return Ok(());
        }
    }
}

fn answer(dialect: Dialect, line: &[u8]) -> Answer {
    // The error of the parser quotes what it read, so it stays unsaid.
    let Ok(question) = serde_json::from_slice::<Question>(line) else {
        return Answer::Refused { refused: "not a JSON object with a text \"sql\"".to_owned() };
    };
    let read = if question.cut { normalise_cut } else { normalise };
    match read(dialect, &question.sql) {
        Ok(normal) => Answer::Known {
            digest: normal.digest.to_string(),
            fingerprint: normal.fingerprint,
            truncated: normal.truncated,
        },
        Err(why) => Answer::Refused { refused: why.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(lines: &str) -> Vec<serde_json::Value> {
        let mut out = Vec::new();
        answer_all(Dialect::MYSQL, &mut lines.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_line_has_its_answer() {
        let long = "x".repeat(MAX_LINE as usize);
        let got = answers(&format!(
            "{{\"sql\": \"select 1\"}}\n\n{{\"sql\": \"select 'kanari\"}}\nkanari\n{long}\n{{\"sql\": \"SELECT ?\", \"x\": 1}}"
        ));
        assert_eq!(got.len(), 5);
        assert_eq!(got[0]["fingerprint"], "select ?");
        assert_eq!(got[0], got[4]);
        assert_eq!(got[0]["digest"].as_str().unwrap().len(), 16);
        assert_eq!(got[1]["truncated"], true);
        assert!(got[2]["refused"].is_string() && got[3]["refused"].is_string());
        assert!(!format!("{got:?}").contains("kanari"));
    }
}
