//! The text that Prometheus reads, classic 0.0.4 and OpenMetrics 1.0, written straight into one buffer. It knows
//! no database and no metric.

use crate::tally::harmless;
use std::io::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    Classic,
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What the client likes best of the two. OpenMetrics only if it is asked for by name; the classic text if
    /// nothing fits, because a person with a strange client is better served by text than by an error.
    pub fn negotiate(accept: &str) -> Format {
        let named = best(accept, "application", "openmetrics-text", &["1.0.0"]);
        let classic = best(accept, "text", "plain", &["0.0.4"]);
        match named {
            Some((2.., quality)) if quality > 0.0 && quality >= classic.map_or(0.0, |(_, q)| q) => {
                Format::OpenMetrics
            }
            _ => Format::Classic,
        }
    }
}

/// The most specific range that fits, and its quality: 0 for `*/*`, 1 for `text/*`, 2 for the name, 3 with version.
fn best(accept: &str, kind: &str, name: &str, versions: &[&str]) -> Option<(u8, f64)> {
    accept.split(',').filter_map(|range| fit(range, kind, name, versions)).fold(
        None,
        |best, fit| match best {
            Some((specific, quality)) if (specific, quality) >= fit => best,
            _ => Some(fit),
        },
    )
}

fn fit(range: &str, kind: &str, name: &str, versions: &[&str]) -> Option<(u8, f64)> {
    let mut parts = range.split(';').map(str::trim);
    let (of, what) = parts.next()?.split_once('/')?;
    let mut specific = match (of.trim(), what.trim()) {
        (of, what) if of.eq_ignore_ascii_case(kind) && what.eq_ignore_ascii_case(name) => 2,
        (of, "*") if of.eq_ignore_ascii_case(kind) => 1,
        ("*", "*") => 0,
        _ => return None,
    };
    let mut quality = 1.0;
    for parameter in parts {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "q" => quality = value.parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q))?,
            "version" if versions.contains(&value) => specific = 3,
            "version" => return None,
            _ => {}
        }
    }
    Some((specific, quality))
}

/// Does the client take gzip?
pub fn takes_gzip(accept_encoding: &str) -> bool {
    let quality = |coding: &str| {
        accept_encoding.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next().filter(|name| name.eq_ignore_ascii_case(coding))?;
            let q = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
            Some(q.map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0)))
        })
    };
    quality("gzip").or_else(|| quality("x-gzip")).or_else(|| quality("*")).is_some_and(|q| q > 0.0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Counter,
    Gauge,
    /// Labels that explain, with the value 1.
    Info,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge | Type::Info => "gauge",
        }
    }

    /// What its samples have after the name of the family.
    pub fn suffix(self) -> &'static str {
        match self {
            Type::Counter => "_total",
            Type::Gauge => "",
            Type::Info => "_info",
        }
    }
}

/// What stands above the samples of one metric.
#[derive(Debug, Clone, Copy)]
pub struct Family<'a> {
    /// Without `_total` and `_info`.
    pub name: &'a str,
    pub kind: Type,
    /// `seconds`, `bytes`, `ratio`, or nothing.
    pub unit: &'a str,
    pub help: &'a str,
}

#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    format: Format,
}

impl Writer {
    pub fn new(format: Format, capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity), format }
    }

    pub fn is_open_metrics(&self) -> bool {
        self.format == Format::OpenMetrics
    }

    pub fn family(&mut self, family: &Family<'_>) {
        let open = self.is_open_metrics();
        let suffix = if open { "" } else { family.kind.suffix() };
        let kind = match family.kind {
            Type::Info if open => "info",
            kind => kind.name(),
        };
        self.put(&["# HELP ", family.name, suffix, " "]);
        for char in family.help.chars() {
            match char {
                '\\' => self.put(&["\\\\"]),
                '\n' => self.put(&["\\n"]),
                '"' if open => self.put(&["\\\""]),
                char if char.is_control() => self.put(&[" "]),
                char => self.put(&[char.encode_utf8(&mut [0; 4])]),
            }
        }
        self.put(&["\n# TYPE ", family.name, suffix, " ", kind, "\n"]);
        let says_unit = family.name.strip_suffix(family.unit).is_some_and(|name| name.ends_with('_'));
        if open && !family.unit.is_empty() && says_unit {
            self.put(&["# UNIT ", family.name, " ", family.unit, "\n"]);
        }
    }

    /// One sample; `labels` as [`write_labels`] wrote them.
    pub fn sample(&mut self, family: &Family<'_>, labels: &[u8], value: f64) {
        self.line(family.name, family.kind.suffix(), labels, value);
    }

    /// When the counter began. Nothing in the classic text.
    pub fn created(&mut self, family: &Family<'_>, labels: &[u8], unix_seconds: f64) {
        if self.is_open_metrics() && family.kind == Type::Counter {
            self.line(family.name, "_created", labels, (unix_seconds * 1_000.0).round() / 1_000.0);
        }
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &[u8], value: f64) {
        self.put(&[name, suffix]);
        if !labels.is_empty() {
            self.out.push(b'{');
            self.out.extend_from_slice(labels);
            self.out.push(b'}');
        }
        self.out.push(b' ');
        number(&mut self.out, value);
        self.out.push(b'\n');
    }

    fn put(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.out.extend_from_slice(text.as_bytes()));
    }

    pub fn finish(mut self) -> Vec<u8> {
        if self.is_open_metrics() {
            self.put(&["# EOF\n"]);
        }
        self.out
    }
}

/// Appends one label; an empty value is the same as none.
pub fn write_label(labels: &mut Vec<u8>, name: &str, value: &str) {
    let value = harmless(value);
    if value.is_empty() {
        return;
    }
    if !labels.is_empty() {
        labels.push(b',');
    }
    labels.extend_from_slice(name.as_bytes());
    labels.extend_from_slice(b"=\"");
    for byte in value.bytes() {
        match byte {
            b'\\' => labels.extend_from_slice(b"\\\\"),
            b'"' => labels.extend_from_slice(b"\\\""),
            b'\n' => labels.extend_from_slice(b"\\n"),
            byte => labels.push(byte),
        }
    }
    labels.push(b'"');
}

pub fn write_labels<'a>(labels: &mut Vec<u8>, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    pairs.into_iter().for_each(|(name, value)| write_label(labels, name, value));
}

/// Whole numbers as such; long fractions in the shortest form that reads back the same.
fn number(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    // Writing into memory has no way to fail.
    let _ = if value.is_nan() {
        write!(out, "NaN")
    } else if value.is_infinite() {
        write!(out, "{}", if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value.fract() == 0.0 && size < 9e15 {
        write!(out, "{}", value as i64)
    } else if (1e-5..1e17).contains(&size) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_open_metrics_and_a_browser_text() {
        let of = Format::negotiate;
        let old = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                   text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let new = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                   application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                   text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in
            [old, new, "application/openmetrics-text", "application/openmetrics-text; version=\"1.0.0\""]
        {
            assert_eq!(of(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/json",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0.3, text/plain;q=0.7",
            "application/openmetrics-text;q=nonsense",
            "text/plain;version=0.0.4",
        ] {
            assert_eq!(of(accept), Format::Classic, "{accept}");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for accept in ["gzip", "deflate, gzip;q=0.5", "*", "GZIP"] {
            assert!(takes_gzip(accept), "{accept}");
        }
        for accept in ["", "identity", "gzip;q=0", "gzip; q=0.0", "br", "*;q=0", "gzip;q=0, *"] {
            assert!(!takes_gzip(accept), "{accept}");
        }
    }

    #[test]
    fn labels_and_help_are_escaped() {
        let mut labels = Vec::new();
        write_labels(&mut labels, [("table", "a\"b\\c\nd\0\u{202e}"), ("empty", "")]);
        assert_eq!(String::from_utf8(labels).unwrap(), r#"table="a\"b\\c\\u{a}d\\u{0}\\u{202e}""#);

        let family =
            Family { name: "x_seconds", kind: Type::Counter, unit: "seconds", help: "a \\ \"b\"\nc" };
        let written = |format| {
            let mut writer = Writer::new(format, 0);
            writer.family(&family);
            writer.sample(&family, b"a=\"b\"", 1.5);
            writer.created(&family, b"a=\"b\"", 1_700_000_000.123_456);
            String::from_utf8(writer.finish()).unwrap()
        };
        assert_eq!(
            written(Format::Classic),
            "# HELP x_seconds_total a \\\\ \"b\"\\nc\n# TYPE x_seconds_total counter\nx_seconds_total{a=\"b\"} 1.5\n"
        );
        assert_eq!(
            written(Format::OpenMetrics),
            "# HELP x_seconds a \\\\ \\\"b\\\"\\nc\n# TYPE x_seconds counter\n# UNIT x_seconds seconds\n\
             x_seconds_total{a=\"b\"} 1.5\nx_seconds_created{a=\"b\"} 1700000000.123\n# EOF\n"
        );
    }

    #[test]
    fn numbers_read_back_the_same() {
        for value in
            [0.0, -0.0, 1.0, 0.1, 1e-9, 123_456_789.25, 1e300, 9e15, -2.5, f64::MIN_POSITIVE, 1e17 + 16.0]
        {
            let mut out = Vec::new();
            number(&mut out, value);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.parse::<f64>().unwrap(), value, "{text}");
            assert!(text.len() < 26, "{text}");
        }
        for (value, text) in
            [(f64::NAN, "NaN"), (f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf"), (7.0, "7")]
        {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(out, text.as_bytes());
        }
    }
}
