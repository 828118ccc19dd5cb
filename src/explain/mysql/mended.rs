//! MariaDB writes conditions into its JSON as they are: quotes and backslashes in them are not escaped, and then it is no
//! JSON. But each stands alone on its line.

use std::borrow::Cow;

/// Lines that only MySQL writes, since 5.7. It escapes what it writes.
const OF_MYSQL: [&str; 4] =
    ["\"cost_info\": {", "\"used_columns\": [", "\"rows_examined_per_scan\": ", "\"query_plan\": {"];

pub fn mended(text: &str) -> Cow<'_, str> {
    let escapes = |line: &str| OF_MYSQL.iter().any(|begin| line.trim_start().starts_with(begin));
    if !text.contains("\"query_block\"") || text.lines().any(escapes) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.lines().map(line).collect::<Vec<_>>().join("\n"))
}

/// `"attached_condition": "t.a = 'x"y'",`
fn line(line: &str) -> Cow<'_, str> {
    let (body, comma) = match line.trim_end().strip_suffix(',') {
        Some(body) => (body, ","),
        None => (line.trim_end(), ""),
    };
    let parts = body.split_once("\": \"").and_then(|(key, rest)| Some((key, rest.strip_suffix('"')?)));
    let Some((key, value)) = parts.filter(|(key, _)| key.trim_start().starts_with('"')) else {
        return Cow::Borrowed(line);
    };
    // MySQL 5.6 escapes, MariaDB does not, and nobody says which of them it was: then nobody knows where a value ends.
    let value = if value.contains('\\') { "" } else { value };
    let value: String = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    Cow::Owned(format!("{key}\": \"{}\"{comma}", value.replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_ends_with_its_line() {
        let text = "{\n\"query_block\": {\n  \"a\": \"t.x <> 'q\"q'\",\n  \"b\": \"t.x = 'l\\'x'\",\n  \"c\": [\"d\"]\n}}";
        assert_eq!(
            mended(text),
            "{\n\"query_block\": {\n  \"a\": \"t.x <> 'q\\\"q'\",\n  \"b\": \"\",\n  \"c\": [\"d\"]\n}}"
        );
        let of_mysql = "{\n\"query_block\": {\n  \"cost_info\": {},\n  \"b\": \"t.x = 'q\\\"q'\"\n}}";
        assert_eq!(mended(of_mysql), of_mysql);
    }
}
