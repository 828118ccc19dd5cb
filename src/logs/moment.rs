//! Points in time as servers write them.

use crate::log::{Micros, Severity};

const SECOND: i64 = 1_000_000;

/// Remembers the last second that was read: thousands of entries share it.
#[derive(Debug, Default)]
pub struct Clock {
    text: [u8; 19],
    seconds: i64,
}

impl Clock {
    /// `2026-11-20 22:17:12.902 UTC` and its kin, with `T`, `Z` or an offset. Gives the length that was read too,
    /// the zone with it. A zone that is not known counts as UTC.
    pub fn read(&mut self, text: &[u8]) -> Option<(Micros, usize)> {
        let head: &[u8; 19] = text.first_chunk()?;
        if *head != self.text {
            self.seconds = civil(head)?;
            self.text = *head;
        }
        let (fraction, mut at) = fraction(text, 19);
        let rest = text.get(at..).unwrap_or_default();
        let blank = usize::from(rest.first() == Some(&b' '));
        // Behind a blank it is PostgreSQL's, which writes no colon: one that follows is the prefix's own.
        let (offset, length) = zone(rest.get(blank..).unwrap_or_default(), blank == 0);
        if length > 0 {
            at += blank + length;
        }
        Some(((self.seconds - offset) * SECOND + fraction, at))
    }
}

/// `.902` in microseconds, and where it ends.
fn fraction(text: &[u8], at: usize) -> (i64, usize) {
    if !matches!(text.get(at), Some(b'.' | b',')) {
        return (0, at);
    }
    let digits = text.get(at + 1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit());
    let mut micros = 0;
    let mut scale = SECOND / 10;
    let mut length = 0;
    for digit in digits {
        micros += i64::from(digit - b'0') * scale;
        scale /= 10;
        length += 1;
    }
    (micros, at + 1 + length)
}

/// `2026-11-20 22:17:12` as seconds since 1970. MariaDB writes an hour of one digit with a blank before it.
fn civil(text: &[u8; 19]) -> Option<i64> {
    let [_, _, _, _, d1, _, _, d2, _, _, t, _, _, c1, _, _, c2, _, _] = text;
    if [d1, d2] != [&b'-'; 2] || [c1, c2] != [&b':'; 2] || !matches!(t, b' ' | b'T') {
        return None;
    }
    let field = |from: usize, to: usize| number(text.get(from..to)?);
    let hour = number(text.get(11..13)?.trim_ascii_start())?;
    seconds(field(0, 4)?, field(5, 7)?, field(8, 10)?, hour, field(14, 16)?, field(17, 19)?)
}

/// MySQL before 5.7 and MariaDB: `071015 21:43:52`, two blanks before an hour of one digit.
pub fn short(text: &[u8]) -> Option<Micros> {
    let (day, time) = text.split_at_checked(6)?;
    let day = number(day)?;
    let mut parts = time.trim_ascii().split(|b| *b == b':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let year = 2000 + day / 10000;
    Some(seconds(year, day / 100 % 100, day % 100, hour, minute, second)? * SECOND)
}

fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// A leap second is the second after it.
fn seconds(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    valid.then(|| days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 in the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `UTC`, `Z`, `+02`, `-0330`, `+05:30`, `CEST`: seconds east of Greenwich and the length; zero length if there
/// is no zone.
fn zone(text: &[u8], with_colon: bool) -> (i64, usize) {
    match text.first() {
        Some(sign @ (b'+' | b'-')) => {
            let body = text.get(1..).unwrap_or_default();
            let length = body.iter().take_while(|b| b.is_ascii_digit() || with_colon && **b == b':').count();
            let digits: Vec<u8> = body.iter().take(length).copied().filter(u8::is_ascii_digit).collect();
            let Some(hours) = digits.get(..2).and_then(number) else { return (0, 0) };
            let minutes = digits.get(2..4).and_then(number).unwrap_or(0);
            let east = hours * 3600 + minutes * 60;
            (if *sign == b'-' { -east } else { east }, length + 1)
        }
        Some(b'A'..=b'Z') => {
            let length = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
            let word = text.get(..length).unwrap_or_default();
            // `LOG:` behind a time without a zone is no zone.
            if length > 5 || Severity::of(word).is_some() && text.get(length) == Some(&b':') {
                return (0, 0);
            }
            (hours(word), length)
        }
        _ => (0, 0),
    }
}

/// Abbreviations that PostgreSQL prints for common zones, where they mean one thing.
fn hours(name: &[u8]) -> i64 {
    let half_hours = match name {
        b"WEST" | b"BST" | b"CET" | b"WAT" => 2,
        b"CEST" | b"EET" | b"SAST" | b"CAT" => 4,
        b"EEST" | b"MSK" | b"EAT" => 6,
        b"PKT" => 10,
        b"WIB" | b"ICT" => 14,
        b"HKT" | b"SGT" | b"AWST" | b"PHT" => 16,
        b"JST" | b"KST" => 18,
        b"ACST" => 19,
        b"AEST" => 20,
        b"AEDT" => 22,
        b"NZST" => 24,
        b"NZDT" => 26,
        b"BRT" | b"ART" => -6,
        b"ADT" => -6,
        b"AST" | b"EDT" => -8,
        b"EST" | b"CDT" => -10,
        b"CST" | b"MDT" => -12,
        b"MST" | b"PDT" => -14,
        b"PST" | b"AKDT" => -16,
        b"AKST" => -18,
        b"HST" => -20,
        _ => 0,
    };
    half_hours * 1800
}

/// `2026-11-20T22:17:12Z`, for reports.
pub fn show(at: Micros) -> String {
    let whole = at.div_euclid(SECOND);
    let (day, time) = (whole.div_euclid(86400), whole.rem_euclid(86400));
    let (year, month, day) = date(day);
    let millis = at.rem_euclid(SECOND) / 1000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

/// A year and its month.
pub type Month = (i64, i64);

/// For times that are written without a year.
pub fn this_month() -> Month {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (year, month, _) = date(since.as_secs() as i64 / 86400);
    (year, month)
}

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// What an operator writes: `2026-11-20`, `2026-11-20 22:17`, with seconds, a fraction and a zone.
pub fn written(text: &str) -> Option<Micros> {
    const WHOLE: &str = "0000-00-00 00:00:00";
    let full = match text.len() {
        10 | 13 | 16 => format!("{text}{}", WHOLE.get(text.len()..)?),
        _ => text.to_owned(),
    };
    let (at, length) = Clock::default().read(full.as_bytes())?;
    (length == full.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Micros, usize)> {
        Clock::default().read(text.as_bytes())
    }

    #[test]
    fn zones_and_fractions() {
        let utc = 1_795_213_032_902_000;
        assert_eq!(read("2026-11-20 22:17:12.902 UTC [1]"), Some((utc, 27)));
        assert_eq!(read("2026-11-20T22:17:12.902Z x"), Some((utc, 24)));
        assert_eq!(read("2026-11-20 23:17:12.902 CET:"), Some((utc, 27)));
        assert_eq!(read("2026-11-20 19:17:12.902 -03 "), Some((utc, 27)));
        assert_eq!(read("2026-11-21 03:47:12.902 +0530"), Some((utc, 29)));
        assert_eq!(
            read("2026-11-20 19:17:12.902 -03:10.0.0.5(4321):"),
            Some((utc, 27)),
            "a colon of the prefix"
        );
        assert_eq!(read("2026-11-21T03:47:12.902+05:30"), Some((utc, 29)));
        assert_eq!(read("2026-11-20 22:17:12 LOG:  x").map(|(_, length)| length), Some(19));
        assert_eq!(read("2026-11-20  2:17:12 0 [Note]"), read("2026-11-20 02:17:12 0 [Note]"));
        assert_eq!(read("2026-11-20   :17:12 0 [Note]"), None);
        assert_eq!(read("2026-13-20 22:17:12"), None);
        assert_eq!(short(b"071015 21:43:52"), short(b"071015 21:43:52 "));
        assert_eq!(short(b"010909  1:46:40"), Some(1_000_000_000 * SECOND));
        assert_eq!(show(utc), "2026-11-20T22:17:12.902Z");
        assert_eq!(written("2026-11-20").map(show).as_deref(), Some("2026-11-20T00:00:00.000Z"));
        assert_eq!(written("2026-11-20 07:05+02:00").map(show), None);
        assert_eq!(
            written("2026-11-20 07:05:01+02:00").map(show).as_deref(),
            Some("2026-11-20T05:05:01.000Z")
        );
        assert_eq!(written("yesterday"), None);
    }
}
