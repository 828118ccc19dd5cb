//! What the environment says about who is reading, and what our own arguments give away.

use super::TargetUrl;
use super::password::variable;

/// Lines longer than this tire the eye, however wide the window.
const MAX_WIDTH: usize = 100;
const MIN_WIDTH: usize = 40;

/// <https://no-color.org>
pub fn wants_colour() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb")
}

pub fn width() -> usize {
    let columns = variable("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(80);
    columns.clamp(MIN_WIDTH, MAX_WIDTH)
}

/// Everybody on this machine can read the arguments of a process.
pub fn has_secret_argument() -> bool {
    std::env::args().skip(1).any(|argument| {
        let url = argument.split_once('=').filter(|(flag, _)| flag.starts_with("--")).map(|(_, url)| url);
        url.unwrap_or(&argument).parse::<TargetUrl>().is_ok_and(|url| url.password().is_some())
    })
}
