use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A directory of this process and test, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dbsonde-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn secret(&self, name: &str, mode: u32) {
        let path = self.0.join(name);
        std::fs::write(&path, "hunter2\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    fn read(&self, text: &str) -> Result<Config, ConfigError> {
        Config::from_text(text, &self.0.join("dbsonde.toml").display().to_string())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn target(more: &str) -> String {
    format!("[[target]]\nurl = \"postgres://u@h/db\"\n{more}\n")
}

/// Text, the line and column of the caret, the key, a piece of the message, a piece of the hint.
type Case<'a> = (String, usize, usize, &'a str, &'a str, &'a str);

#[test]
fn mistakes_are_pointed_at() {
    let cases: Vec<Case<'_>> = vec![
        ("[web]\nlisen = []\n".into(), 2, 1, "web.lisen", "unknown key `lisen`", "did you mean `listen`"),
        ("[wbe]\n".into(), 1, 2, "wbe", "unknown key `wbe`", "did you mean `web`"),
        (
            "[rules.index-unusd]\n".into(),
            1,
            8,
            "rules.index-unusd",
            "unknown key",
            "did you mean `index-unused`",
        ),
        (
            "[rules.index-unused]\nmin_byte = \"1MiB\"\n".into(),
            2,
            1,
            "rules.index-unused.min_byte",
            "unknown key `min_byte`",
            "did you mean `min_bytes`",
        ),
        ("[budget]\nseries = \"many\"\n".into(), 2, 10, "budget.series", "expected a whole number", ""),
        ("[budget]\nseries = -1\n".into(), 2, 10, "budget.series", "expected a whole number", ""),
        ("[budget]\nconnections = 9\n".into(), 2, 15, "budget.connections", "1, 2 or 3", ""),
        ("[pace]\nbeat = \"1s\"\n".into(), 2, 8, "pace.beat", "1s is too often", "\"5s\" or more"),
        ("[pace]\nslow = 60\n".into(), 2, 8, "pace.slow", "60 has no unit", "\"60s\""),
        ("[pace]\nslow = \"soon\"\n".into(), 2, 8, "pace.slow", "not a length of time", "15s"),
        ("[web]\nlisten = [\"localhost\"]\n".into(), 2, 11, "web.listen", "not an address", "127.0.0.1:9909"),
        ("[log]\nlevel = \"verbose\"\n".into(), 2, 9, "log.level", "unknown word `verbose`", "error, warn"),
        (
            "[log]\nformat = \"jsn\"\n".into(),
            2,
            10,
            "log.format",
            "unknown word `jsn`",
            "did you mean `json`",
        ),
        ("[web\n".into(), 1, 5, "", "", ""),
        ("target = \"postgres://u:hunter2@h\"\n".into(), 1, 10, "target", "expected a list", ""),
        (
            target("name = \"a\"") + &target("name = \"a\""),
            6,
            8,
            "target.name",
            "two targets are called `a`",
            "own name",
        ),
        (target("") + &target(""), 4, 1, "target", "two targets are called `h`", ""),
        ("[[target]]\nname = \"a\"\n".into(), 1, 1, "target", "`url` is missing", ""),
        (
            "[[target]]\nurl = \"oracle://u:hunter2@h/\"\n".into(),
            2,
            7,
            "target.url",
            "not a kind of server",
            "postgres://",
        ),
        (
            "[[target]]\nurl = \"postgres://u:hunter2@h/?sslmod=x\"".into(),
            2,
            7,
            "target.url",
            "`sslmod`",
            "`sslmode`",
        ),
        (
            target("password = \"hunter2\""),
            3,
            1,
            "target.password",
            "unknown key",
            "did you mean `password_file`",
        ),
        (
            target("password_file = \"/nowhere\""),
            3,
            17,
            "target.password_file",
            "cannot read /nowhere",
            "create the file",
        ),
        (
            target("labels = { \"a-b\" = \"x\" }"),
            3,
            20,
            "target.labels.a-b",
            "not a name that Prometheus",
            "letters",
        ),
        (target("labels = { user = \"x\" }"), 3, 19, "target.labels.user", "is taken", "my_user"),
        (
            target("databases = { exclude = [\"a[b]\"] }"),
            3,
            26,
            "target.databases.exclude",
            "not a pattern",
            "only *",
        ),
        (
            "[rules]\nskip = [\"index-unusd\"]\n".into(),
            2,
            9,
            "rules.skip",
            "no rule `index-unusd`",
            "`index-unused`",
        ),
        ("[[silence]]\nrule = \"index-unusd\"\n".into(), 2, 8, "silence.rule", "no rule", "`index-unused`"),
        (
            "[[silence]]\nreason = \"x\"\n".into(),
            2,
            10,
            "silence.reason",
            "silence everything",
            "name a rule",
        ),
        (
            "[[silence]]\nsubject = \"*\"\nuntil = \"soon\"\n".into(),
            3,
            9,
            "silence.until",
            "not a date",
            "2027",
        ),
        ("[[sink]]\nkind = \"webhook\"\n".into(), 2, 8, "sink.kind", "no address", "url_file"),
        ("[[sink]]\nkind = \"webhok\"\n".into(), 2, 8, "sink.kind", "unknown word", "`webhook`"),
    ];
    for (text, line, column, key, message, hint) in cases {
        let error = Config::from_text(&text, "dbsonde.toml").expect_err(&text);
        let shown = error.render(false);
        assert_eq!((error.line, error.column), (line, column), "{shown}");
        assert_eq!(error.key, key, "{shown}");
        assert!(error.message.contains(message), "{shown}");
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{shown}");
        assert!(shown.contains(&format!("dbsonde.toml:{line}:{column}")) && shown.contains('^'), "{shown}");
        assert!(!shown.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_diagnostic_looks_like_this() {
    let error = Config::from_text("[web]\nlisen = []\n", "dbsonde.toml").unwrap_err();
    let expected = "\
error: unknown key `lisen`
 --> dbsonde.toml:2:1
  |
2 | lisen = []
  | ^^^^^
  |
help: did you mean `listen`?";
    assert_eq!(error.render(false), expected);
    assert_eq!(error.to_string(), "dbsonde.toml:2:1: unknown key `lisen` (did you mean `listen`?)");
}

fn password(target: &Target) -> secrecy::SecretString {
    let read = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let password = read.block_on(target.password(&target.url.places()[0]));
    password.unwrap().unwrap().get().clone()
}

#[test]
fn files_with_secrets_are_closed_to_others() {
    let place = Place::new("secrets");
    place.secret("open", 0o644);
    place.secret("closed", 0o600);
    let error = place.read(&target("password_file = \"open\"")).unwrap_err();
    assert!(error.message.contains("can be read by others"), "{error}");
    assert!(error.hint.as_deref().unwrap().starts_with("chmod 600"), "{error}");
    let config = place.read(&target("password_file = \"closed\"")).unwrap();
    let password = password(&config.target[0]);
    assert_eq!(secrecy::ExposeSecret::expose_secret(&password), "hunter2");
    let twice =
        place.read("[[target]]\nurl = \"postgres://u:x@h/\"\npassword_file = \"closed\"\n").unwrap_err();
    assert!(twice.message.contains("given twice"), "{twice}");
}

#[test]
fn what_was_written_is_what_is_read() {
    let text = r#"
[web]
listen = ["127.0.0.1:9909", "[::1]:9909"]
[state]
dir = "none"
[[target]]
name = "orders"
url = "postgres://dbsonde@db1/postgres?sslmode=verify-full"
labels = { team = "shop" }
databases = { include = ["*"], exclude = ["template*"] }
[rules.index-unused]
min_bytes = "50MiB"
[[silence]]
rule = "index-unused"
subject = "public.audit_*"
until = 2027-01-31
[[sink]]
kind = "webhook"
url = "https://hooks.example/x"
"#;
    let config = Config::from_text(text, "dbsonde.toml").unwrap();
    let orders = &config.target[0];
    assert_eq!((orders.name.as_str(), orders.url.host()), ("orders", "db1"));
    assert!(orders.databases.matches("shop") && !orders.databases.matches("template1"));
    assert_eq!(config.state_dir(), None);
    let silence = &config.silence[0];
    let january = humantime::parse_rfc3339("2027-01-30T12:00:00Z").unwrap();
    let at = january.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(silence.covers("index-unused", "orders", Some("shop"), "public.audit_2024", at));
    assert!(!silence.covers("index-unused", "orders", Some("shop"), "public.audit_2024", at + 86_400.0));
    assert!(!silence.covers("index-unused", "orders", Some("shop"), "public.orders", at));
    assert_eq!(Config::from_text(text, "dbsonde.toml").unwrap(), config);
}

#[test]
fn flags_lie_on_top_of_the_file() {
    let place = Place::new("flags");
    let path = place.0.join("dbsonde.toml");
    std::fs::write(&path, target("")).unwrap();
    let source = ConfigSource {
        path: Some(path.clone()),
        targets: vec!["host=other user=u".into()],
        state_dir: Some(StateDir::None),
        log_level: Some(LogLevel::Debug),
        ..ConfigSource::default()
    };
    let config = source.load().unwrap();
    let names: Vec<&str> = config.target.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["h", "other"]);
    assert_eq!((config.log.level, config.state.dir), (LogLevel::Debug, StateDir::None));

    let twice =
        ConfigSource { targets: vec!["postgres://u:hunter2@h".into()], ..source.clone() }.load().unwrap_err();
    assert!(twice.to_string().starts_with("--target: two targets"), "{twice}");
    if !Path::new(DEFAULT_PATH).exists() {
        let none = ConfigSource::default().load().unwrap_err();
        assert!(none.to_string().contains("no server to watch") && none.usage, "{none}");
    }
    let missing = ConfigSource { path: Some("/nowhere.toml".into()), ..source }.load().unwrap_err();
    assert!(missing.render(false).contains("/nowhere.toml"), "{missing:?}");
}

/// Whatever is torn off or struck over: an answer, never a panic, and never a secret.
#[test]
fn no_mistake_is_too_strange() {
    let text = "# é\n[web]\nlisten = [\"127.0.0.1:1\"]\n[pace]\nbeat = \"9s\" # ü\n[[target]]\nname = \"ö\"\n\
                url = \"postgres://u:hunter2@h/d\"\nlabels = { a = \"ß\" }\n[[silence]]\nsubject = \"日本*\"\n";
    let look = |text: &str| {
        if let Err(error) = Config::from_text(text, "f.toml") {
            let shown = [error.render(false), error.render(true), error.to_string()].concat();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    };
    for (at, char) in text.char_indices() {
        let (before, rest) = text.split_at(at);
        let after = &rest[char.len_utf8()..];
        look(before);
        look(rest);
        for other in ["", "\"", "=", "[", "\n", "é", "\u{0}", "{"] {
            look(&format!("{before}{other}{after}"));
        }
    }
}
