//! Entries about ourselves: what we do at a server is nothing that its applications do.

use super::statements::Why;
use crate::engine::presence;
use crate::log::{Body, Entry};
use crate::logs::classes::Class;

/// How far into a text our remark stands, which comes behind its first words.
const HEAD: usize = 400;

/// Is it of a session of ours, by the name that it has?
pub fn by_name(class: Option<Class>, entry: &Entry) -> bool {
    // Most names are others', and are looked at no further.
    let is_ours = |name: &[u8]| {
        name.starts_with(presence::PROGRAM.as_bytes())
            && std::str::from_utf8(name).is_ok_and(presence::is_of_our_kind)
    };
    if !entry.who.application.is_empty() && is_ours(entry.who.application) {
        return true;
    }
    // While a session begins it has no name yet but in the text.
    let Body::Message(message) = &entry.body else { return false };
    class == Some(Class::ConnectionAuthorized) && {
        let name = memchr::memmem::find(message.text, b"application_name=")
            .and_then(|at| message.text.get(at + 17..));
        let name = name.map(|rest| rest.split(|b| *b == b'=').next().unwrap_or_default());
        // `application_name=dbsonde 1a2b3c4d SSL enabled (protocol=…`
        name.is_some_and(|name| {
            let words: Vec<&[u8]> = name.split(|b| *b == b' ').take(2).collect();
            words.first().is_some_and(|word| is_ours(word)) || is_ours(&words.join(&b' '))
        })
    }
}

/// Of a plan that could not be read: does its text carry our remark?
pub fn by_remark(text: &[u8]) -> Result<(), Why> {
    let head = text.get(..HEAD.min(text.len())).unwrap_or_default();
    if crate::sql::is_ours(&String::from_utf8_lossy(head)) { Err(Why::Ours) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use crate::digest::sum::tests::sum;

    #[test]
    fn what_we_do_is_left_out_and_counted_as_ours() {
        let at = "2026-11-20 22:17:12.345 UTC [7] u@d";
        let ours = [
            format!("{at}/dbsonde LOG:  duration: 9.0 ms  statement: select 1"),
            format!("{at}/dbsonde 1a2b3c4d ERROR:  canceling statement due to statement timeout"),
            format!(
                "{at}/[unknown] LOG:  connection authorized: user=u database=d application_name=dbsonde 1a2b3c4d SSL enabled (x=y)"
            ),
            format!("{at}/[unknown] LOG:  connection authorized: user=u database=d application_name=dbsonde"),
            // Under a name that an operator gave.
            format!("{at}/watcher LOG:  duration: 9.0 ms  execute <unnamed>: select /* dbsonde beat */ 1"),
            format!("{at}/watcher LOG:  statement: rollback /* dbsonde roam */"),
            format!("{at}/watcher LOG:  duration: 9.0 ms"),
            format!(
                "{at}/watcher LOG:  duration: 9.0 ms  plan:\n\tQuery Text: select /* dbsonde beat */ 1\n\tResult  (cost=0.00..0.01 rows=1 width=4)"
            ),
            format!(
                "{at}/watcher LOG:  duration: 9.0 ms  plan:\n\t{{\"Query Text\": \"select /* dbsonde beat */ 1\", \"Plan\": {{\"Node Type\": \"Result\"}}}}"
            ),
        ];
        let theirs = [
            format!("{at}/dbsonde2 LOG:  duration: 9.0 ms  statement: select 1"),
            format!("{at}/app LOG:  duration: 9.0 ms  statement: rollback"),
            format!(
                "{at}/[unknown] LOG:  connection authorized: user=u database=d application_name=app for dbsonde"
            ),
        ];
        let sum = sum(&[&ours[..], &theirs].concat().join("\n"));
        assert_eq!((sum.ours, sum.entries, sum.noise), (ours.len() as u64, theirs.len() as u64, 0));
        assert_eq!(sum.classes.values().sum::<u64>() + sum.unclassified(), sum.entries, "the classes add up");
        assert_eq!(sum.statements.rows().iter().map(|row| row.calls).sum::<u64>(), 2);
        assert_eq!((sum.plans.each().count(), sum.unjoined()), (0, 0));
    }
}
