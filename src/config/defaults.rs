//! The annotated file of defaults. Values come from `Default`, words from the doc comments: neither is written
//! twice.

use super::Config;
use serde_json::Value;

const WIDTH: usize = 100;

const HEAD: &str = "\
# dbsonde.toml: every setting with its default. All of it may be left out but the servers to watch.
# Check your own with `dbsonde check-config FILE`; a running dbsonde reads it again on SIGHUP.
";

/// What has no default, as an example behind `#`.
const EXAMPLES: &str = r#"[[target]]
name = "orders"
url = "postgres://dbsonde@db1:5432/postgres?sslmode=verify-full"
password_file = "/run/credentials/orders"
labels = { team = "shop" }
databases = { include = ["*"], exclude = ["template*"], cap = 1000 }
[[silence]]
rule = "index-unused"
target = "orders"
database = "shop"
subject = "public.audit_*"
until = "2027-01-31"
reason = "used by the yearly audit"
[[discovery.http]]
url = "https://inventory.example/databases"
token_file = "/run/credentials/inventory"
password_dir = "/etc/dbsonde/passwords"
[[sink]]
kind = "webhook"
url_file = "/run/credentials/hook"
severity = "warning"
"#;

impl Config {
    pub fn default_toml() -> String {
        let schema = schemars::schema_for!(Config).to_value();
        // Nothing in the defaults is beyond TOML; the test that reads this back would tell.
        let values = toml::to_string(&Config::default()).unwrap_or_default();
        let examples: String =
            annotate(EXAMPLES, &schema).lines().map(|line| format!("{}\n", comment_out(line))).collect();
        format!("{HEAD}{examples}{}", annotate(&values, &schema))
    }
}

fn comment_out(line: &str) -> String {
    if line.is_empty() || line.starts_with('#') { line.to_owned() } else { format!("#{line}") }
}

/// Puts above each table and each key what its doc comment says.
fn annotate(text: &str, schema: &Value) -> String {
    let mut section: Vec<String> = Vec::new();
    let mut annotated = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut path = section.clone();
        if line.starts_with('[') {
            path = line.trim_matches(['[', ']']).split('.').map(str::to_owned).collect();
            section.clone_from(&path);
            annotated.push('\n');
        } else if let Some((key, _)) = line.split_once(" = ") {
            path.push(key.to_owned());
        }
        let about = find(schema, schema, &path).map(|found| about(schema, found)).unwrap_or_default();
        wrap(&about, WIDTH).iter().for_each(|line| annotated.push_str(&format!("# {line}\n")));
        annotated.push_str(line);
        annotated.push('\n');
    }
    annotated
}

fn find<'s>(root: &'s Value, at: &'s Value, path: &[String]) -> Option<&'s Value> {
    let Some((key, rest)) = path.split_first() else { return Some(at) };
    let inner = resolve(root, at);
    let inner = inner.get("items").map_or(inner, |items| resolve(root, items));
    find(root, inner.get("properties")?.get(key)?, rest)
}

fn resolve<'s>(root: &'s Value, at: &'s Value) -> &'s Value {
    let target = at.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(at)
}

/// The first paragraph: of the field, else of its type.
fn about(root: &Value, property: &Value) -> String {
    let words = |of: &Value| of.get("description").and_then(Value::as_str).map(str::to_owned);
    let text = words(property).or_else(|| words(resolve(root, property))).unwrap_or_default();
    text.split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_defaults_says_the_defaults() {
        let text = Config::default_toml();
        assert_eq!(Config::from_text(&text, "dbsonde.toml").unwrap(), Config::default(), "{text}");
        assert!(text.contains("# Addresses to serve metrics"), "{text}");
        assert!(text.contains("\npulse = \"1s\"\n"), "{text}");
    }

    #[test]
    fn its_examples_can_be_used() {
        let text: String = Config::default_toml()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!((config.target.len(), config.silence.len(), config.sink.len()), (1, 1, 1));
        assert_eq!(config.target[0].label_pairs().len(), 1);
    }

    /// Every key of every table has its words.
    #[test]
    fn nothing_is_left_without_words() {
        let text = Config::default_toml();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with("# ")) {
            assert!(pair[0].starts_with("# "), "{} has no comment", pair[1]);
        }
    }
}
