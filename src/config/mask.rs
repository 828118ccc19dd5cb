//! Hides secrets in a text without moving a byte of it, so that carets keep pointing at the right place.

/// A longer line was not written by hand. Each secret in it takes a walk over all of it, so it is hidden as a whole.
const MAX_LINE: usize = 16 << 10;

/// What hides in URLs, in `password=…` and behind keys that sound secret becomes stars.
pub fn mask(text: &str) -> String {
    text.split_inclusive('\n').map(mask_line).collect()
}

fn mask_line(line: &str) -> String {
    if line.len() > MAX_LINE {
        return hide(line, 0, line.len());
    }
    let mut line = line.to_owned();
    if let Some((key, _)) = line.split_once('=')
        && sounds_secret(key)
    {
        let from = key.len() + 1;
        return hide(&line, from, line.len());
    }
    line = hide_login(&line);
    for (sign, find) in [("://", in_url as Find), ("password", in_words)] {
        let mut from = 0;
        while let Some(found) = line.get(from..).and_then(|rest| rest.find(sign)) {
            from += found + sign.len();
            if let Some((start, end)) = find(&line, from) {
                line = hide(&line, start, end);
            }
        }
    }
    line
}

/// Where a secret is that begins somewhere after a sign.
type Find = fn(&str, usize) -> Option<(usize, usize)>;

/// Everything before an @, the user as well: in a URL with a slip nobody knows where the password begins.
fn hide_login(line: &str) -> String {
    let Some((before, _)) = line.rsplit_once('@') else { return line.to_owned() };
    let after = |sign: &str| before.find(sign).map(|at| at + sign.len());
    let start = after("://").or_else(|| after("=")).unwrap_or(0);
    hide(line, start, before.len())
}

fn sounds_secret(key: &str) -> bool {
    let key = key.trim().to_lowercase();
    let bare = key.chars().all(|c| c.is_alphanumeric() || "_-.\"'".contains(c));
    bare && !key.ends_with("_file")
        && ["pass", "pasw", "pwd", "secret", "token"].iter().any(|word| key.contains(word))
}

/// What follows a host and is no port: a password without its @. Of a web address all of the path: hooks keep
/// their secret there.
fn in_url(line: &str, start: usize) -> Option<(usize, usize)> {
    let (before, rest) = line.split_at_checked(start)?;
    let quote = before.chars().rev().find(|c| "\"'`".contains(*c));
    let end = start + rest.find(|c| Some(c) == quote || c == '\n').unwrap_or(rest.len());
    let token = line.get(start..end)?;
    if before.ends_with("http://") || before.ends_with("https://") {
        return token.find('/').map(|slash| (start + slash + 1, end));
    }
    // The last colon before a slash, or within [ ], may be a port's.
    let (host, port) = token.split_once(':')?;
    let is_port = port.chars().take_while(|c| !"/?,".contains(*c)).all(|c| c.is_ascii_digit());
    let is_address = host.starts_with('[') || token.contains('@');
    (!is_port && !is_address).then_some((start + host.len() + 1, end))
}

/// The value of `password = …` inside a text.
fn in_words(line: &str, after: usize) -> Option<(usize, usize)> {
    let value = line.get(after..)?.trim_start().strip_prefix('=')?.trim_start();
    let start = line.len() - value.len();
    let end = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.get(1..).and_then(|rest| rest.rfind(quote)).map(|end| end + 1),
        _ => value.find(|c: char| c.is_whitespace() || "&\"'".contains(c)),
    };
    Some((start, start + end.unwrap_or(value.len())))
}

/// One star a byte. What frames a value stays.
fn hide(line: &str, start: usize, end: usize) -> String {
    let mut hidden = String::with_capacity(line.len());
    for (at, char) in line.char_indices() {
        let stays = char.is_whitespace() || (char == '"' || char == '\'');
        if (start..end).contains(&at) && !stays {
            (0..char.len_utf8()).for_each(|_| hidden.push('*'));
        } else {
            hidden.push(char);
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_stars_and_nothing_moves() {
        for text in [
            "url = \"postgres://u:hunter2@h/db\" # mine",
            "url = 'postgres://u:hunter2@h/db'",
            "url = \"postgres://u:h/unter2@hunter2@h/db\"",
            "url = \"postgres://u@h/db?password=hunter2&sslmode=require\"",
            "url = \"postgres//u:hunter2@h/db\"",
            "url = \"postgres://u:hunter2",
            "hunter2@h/d\"",
            "url = \"host=h password=hunter2 user=u\"",
            "url = \"host=h password = 'hunter2 hunter2' user=u\"",
            "pasword = \"hunter2\"",
            "api_token = \"hunter2\"",
            "url = \"https://hooks.example/hunter2/hunter2\"",
            "invalid type: string \"postgres://u:hunter2@h\", expected a sequence",
            "password = \"hünter2hunter2\"",
        ] {
            let masked = mask(text);
            assert!(!masked.contains("unter2"), "{masked}");
            assert_eq!(masked.len(), text.len());
            assert!(masked.contains('*'));
        }
        for text in [
            "password_file = \"/run/orders\"",
            "url = \"postgres://h:5432/db\"",
            "listen = [\"127.0.0.1:9909\"]\n",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    /// An answer from elsewhere may be four megabytes of it.
    #[test]
    fn a_line_without_end_is_hidden_at_once() {
        let began = std::time::Instant::now();
        let masked = mask(&"password=x ".repeat(400_000));
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        assert!(!masked.contains('x') && masked.len() == 11 * 400_000);
    }
}
