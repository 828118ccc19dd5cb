//! Where the server writes its slow log and its error log, and whether that is on this machine.

use super::known::Variables;
use crate::follow::Told;
use std::path::{Path, PathBuf};

/// `None` where it writes to no file, or on another machine.
pub fn logs(variables: &Variables) -> Option<Told> {
    let here = rustix::system::uname();
    let is_here = here.nodename().to_str().is_ok_and(|name| name == variables.text("hostname"));
    let data = Path::new(variables.text("datadir"));
    let writes_files = variables.text("log_output").split(',').any(|output| output.trim() == "FILE");
    let slow =
        (variables.is_on("slow_query_log") && writes_files).then(|| variables.text("slow_query_log_file"));
    let error = Some(variables.text("log_error")).filter(|path| *path != "stderr");
    let paths = slow.into_iter().chain(error).filter(|path| !path.is_empty()).map(|path| data.join(path));
    // Names relative to a directory that is relative itself lead nowhere.
    let patterns: Vec<PathBuf> = paths.filter(|path| path.is_absolute() && path.exists()).collect();
    (is_here && !patterns.is_empty()).then_some(Told { patterns, line_prefix: None })
}
