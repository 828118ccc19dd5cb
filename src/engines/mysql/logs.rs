//! Where the server writes its slow log and its error log, and whether that is on this machine. A slow log that is kept
//! as a table the server reads for us.

use super::answer::Named;
use super::known::Variables;
use super::link::Link;
use crate::engine::errand::{Errand, Fetched, SlowRow};
use crate::engine::reading::Failure;
use crate::follow::{Through, Told};
use crate::script::mysql::identifier;
use std::path::{Path, PathBuf};

/// `None` where there is nothing to follow: it writes to no file, or on another machine, and keeps no table.
pub fn logs(variables: &Variables) -> Option<Told> {
    let here = rustix::system::uname();
    let is_here = here.nodename().to_str().is_ok_and(|name| name == variables.text("hostname"));
    let data = Path::new(variables.text("datadir"));
    let writes = |wanted: &str| {
        let outputs = variables.text("log_output").split(',').map(str::trim);
        variables.is_on("slow_query_log") && outputs.into_iter().any(|output| output == wanted)
    };
    let slow = writes("FILE").then(|| variables.text("slow_query_log_file"));
    let error = Some(variables.text("log_error")).filter(|path| *path != "stderr");
    let paths = slow.into_iter().chain(error).filter(|path| !path.is_empty()).map(|path| data.join(path));
    // Names relative to a directory that is relative itself lead nowhere.
    let patterns: Vec<PathBuf> =
        paths.filter(|path| is_here && path.is_absolute() && path.exists()).collect();
    let through = writes("TABLE").then_some(Through::SlowTable);
    let needs_through = !is_here || !writes("FILE");
    let is_any = !patterns.is_empty() || through.is_some();
    is_any.then_some(Told { patterns, through, needs_through, line_prefix: None })
}

/// Reads for the follower what the server keeps in a table.
pub async fn fetch(link: &mut Link, errand: &Errand) -> Result<Fetched, Failure> {
    match errand {
        Errand::SlowCount => {
            let rows = link.ask("slow_count").await?;
            let many = rows.first().and_then(|row| row.whole("many")?.try_into().ok());
            many.map(Fetched::SlowCount).ok_or_else(|| Failure::refused("mysql.slow_log has no count"))
        }
        Errand::SlowTables => {
            let rows = link.ask("slow_tables").await?;
            let names = rows.iter().filter_map(Named::first).filter(|name| *name != "slow_log");
            Ok(Fetched::SlowTables(names.map(str::to_owned).collect()))
        }
        Errand::SlowRows { table, from, most } => {
            let name = table.as_deref().unwrap_or("slow_log");
            let (table, from, most) =
                (format!("mysql.{}", identifier(name)), from.to_string(), most.to_string());
            let fill = [("{slow_log}", &*table), ("{from}", &*from), ("{most}", &*most)];
            let rows = link.ask_with("slow_rows", &fill).await?;
            Ok(Fetched::SlowRows(rows.iter().map(row).collect()))
        }
        _ => Err(Failure::refused("this server shows nobody its files")),
    }
}

fn row(row: &Named) -> SlowRow {
    let text = |name: &str| row.text(name).unwrap_or_default();
    let count = |name: &str| row.whole(name).and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    SlowRow {
        start: row.number("start").map(|seconds| (seconds * 1e6).round() as i64),
        query_time: micros(text("query_time")),
        lock_time: micros(text("lock_time")),
        rows_sent: count("rows_sent"),
        rows_examined: count("rows_examined"),
        rows_affected: count("rows_affected"),
        user_host: text("user_host").to_owned(),
        database: text("db").to_owned(),
        text: text("text").as_bytes().to_vec(),
    }
}

/// `838:59:59.999999` in microseconds.
fn micros(time: &str) -> u64 {
    let seconds = time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?));
    seconds.map_or(0, |seconds| (seconds * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_microseconds() {
        assert_eq!(micros("00:00:01.234567"), 1_234_567);
        assert_eq!(micros("838:59:59.999999"), 3_020_399_999_999);
        assert_eq!((micros("00:00:00"), micros("")), (0, 0));
    }
}
