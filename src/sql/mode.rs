//! The settings of a MySQL server that decide how it reads a text.

/// What of `@@sql_mode` and `@@version` matters to the lexer. A digest does not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SqlMode {
    /// `"x"` is a name, not a string.
    pub ansi_quotes: bool,
    /// A backslash in a string is a backslash.
    pub no_backslash_escapes: bool,
    /// The version as versioned comments write it, 80404 or 101106, if it is known. MariaDB's begin at 100000.
    pub version: Option<u32>,
}

/// Versions of MySQL whose comments no MariaDB runs: by then the two had parted.
const MYSQL_ONLY: std::ops::RangeInclusive<u32> = 50700..=99999;
/// Where MariaDB's versions begin.
const MARIADB: u32 = 100_000;

impl SqlMode {
    pub const DEFAULT: Self = Self { ansi_quotes: false, no_backslash_escapes: false, version: None };

    /// From `@@sql_mode` and `@@version`: `8.4.4`, `11.8.6-MariaDB-log`, `5.5.5-10.6.4-MariaDB`.
    pub fn of(sql_mode: &str, version: &str) -> Self {
        let has = |name| sql_mode.split(',').any(|mode| mode.trim().eq_ignore_ascii_case(name));
        let version = version.strip_prefix("5.5.5-").unwrap_or(version);
        let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().ok());
        let mut part = || parts.next().flatten().filter(|part| *part < 100);
        let number = match (part(), part(), part()) {
            (Some(major), Some(minor), patch) => Some(major * 10_000 + minor * 100 + patch.unwrap_or(0)),
            _ => None,
        };
        Self {
            ansi_quotes: has("ANSI_QUOTES"),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
            version: number,
        }
    }

    /// Whether a comment for this version is code. Of a server that is not known every version is believed to be
    /// there: what is read as code can be refused, what is taken for a comment is lost.
    pub(super) fn runs(self, wanted: u32, mariadb_only: bool) -> bool {
        let Some(version) = self.version else { return true };
        let mariadb = version >= MARIADB;
        let parted = mariadb && MYSQL_ONLY.contains(&wanted);
        wanted <= version && !parted && (mariadb || !mariadb_only)
    }
}

#[cfg(test)]
mod tests {
    use super::SqlMode;

    #[test]
    fn settings_are_read() {
        let mode = SqlMode::of("STRICT_TRANS_TABLES,ansi_quotes", "11.8.6-MariaDB-0+deb13u1");
        assert_eq!(mode, SqlMode { ansi_quotes: true, no_backslash_escapes: false, version: Some(110_806) });
        assert!(SqlMode::of("NO_BACKSLASH_ESCAPES", "").no_backslash_escapes);
        for (version, number) in [
            ("8.0.36-28.1", Some(80_036)),
            ("9.7.4", Some(90_704)),
            ("5.5.5-10.6.4-MariaDB", Some(100_604)),
            ("5.7", Some(50_700)),
            ("", None),
            ("x", None),
            ("4294967295.1.1", None),
        ] {
            assert_eq!(SqlMode::of("", version).version, number, "{version}");
        }
    }

    #[test]
    fn a_versioned_comment_is_code_where_the_server_runs_it() {
        let runs = |version, wanted, only| SqlMode::of("", version).runs(wanted, only);
        assert!(runs("", 99_999, true));
        assert!(runs("8.0.36", 0, false) && runs("8.0.36", 80_036, false) && !runs("8.0.36", 80_037, false));
        assert!(!runs("8.0.36", 0, true) && !runs("8.0.36", 100_100, false));
        assert!(runs("11.8.6-MariaDB", 50_699, false) && !runs("11.8.6-MariaDB", 50_700, false));
        assert!(runs("11.8.6-MariaDB", 100_100, true) && !runs("11.8.6-MariaDB", 120_000, false));
    }
}
