//! What a statement that writes reads first, as a query of its own: who may write nothing can have that planned.
//!
//! `UPDATE t SET a = $1 FROM u WHERE t.id = u.id` finds its rows as `SELECT t.ctid FROM t, u WHERE t.id = u.id` does. The
//! ctid keeps the planner from an index alone, as the write does.

use super::Refused;
use super::postgres::Lexer;
use super::token::{Stop, Token};
use std::collections::BTreeMap;

/// The reading part of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub query: String,
    /// `Update`, as plans name the step that writes.
    pub step: &'static str,
    /// Without its schema, as plans name it.
    pub table: String,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRead {
    #[error("what stands in its SET reads more than the rows that it changes")]
    InSet,
    #[error("it reads nothing that could be planned")]
    Nothing,
    #[error("its text cannot be read")]
    Text,
}

impl From<Refused> for NoRead {
    fn from(_: Refused) -> NoRead {
        NoRead::Text
    }
}

/// A token, where it stands, and in how many parentheses.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    from: usize,
    to: usize,
    spelled: &'a str,
    is_name: bool,
    depth: usize,
}

impl Piece<'_> {
    fn is(&self, word: &str) -> bool {
        self.spelled.eq_ignore_ascii_case(word)
    }
}

/// `None` for what does not begin as a write. The text is one of pg_stat_statements, made plannable.
pub fn read(text: &str) -> Option<Result<Read, NoRead>> {
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let verb = ["update", "delete", "insert"].into_iter().find(|verb| first.eq_ignore_ascii_case(verb))?;
    Some(pieces(text).map_err(NoRead::from).and_then(|pieces| {
        let statement = Statement { text, pieces };
        let mut read = match verb {
            "update" => statement.of_update(),
            "delete" => statement.of_delete(),
            _ => statement.of_insert(),
        }?;
        read.query = renumbered(&read.query)?;
        Ok(read)
    }))
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Refused> {
    let mut lexer = Lexer::new(text, false)?;
    let (mut found, mut depth) = (Vec::new(), 0_usize);
    loop {
        lexer.skip_blanks().map_err(Stop::refused)?;
        let from = text.len() - lexer.rest().len();
        let Some(token) = lexer.next() else { return Ok(found) };
        let token = token.map_err(Stop::refused)?;
        let to = text.len() - lexer.rest().len();
        let closes = matches!(token, Token::Symbol(")" | "]"));
        depth = depth.saturating_sub(usize::from(closes));
        let is_name = matches!(token, Token::Word(..) | Token::Name(_) | Token::Quoted(_));
        found.push(Piece { from, to, spelled: text.get(from..to).unwrap_or_default(), is_name, depth });
        depth += usize::from(matches!(token, Token::Symbol("(" | "[")));
    }
}

struct Statement<'a> {
    text: &'a str,
    pieces: Vec<Piece<'a>>,
}

/// The table that is written to.
struct Target<'a> {
    /// As it stands in the statement, its other name included.
    spelled: &'a str,
    called: &'a str,
    table: String,
    /// The piece behind it.
    end: usize,
}

impl<'a> Statement<'a> {
    fn is(&self, nth: usize, word: &str) -> bool {
        self.pieces.get(nth).is_some_and(|piece| piece.is(word))
    }

    /// The first of these words outside of all parentheses, from a piece on; else the end.
    fn find(&self, from: usize, words: &[&str]) -> usize {
        let after_distinct = |nth: usize| nth > 0 && self.is(nth - 1, "distinct");
        let is_one = |(nth, piece): &(usize, &Piece<'_>)| {
            piece.depth == 0 && words.iter().any(|word| piece.is(word)) && !after_distinct(*nth)
        };
        let found = self.pieces.iter().enumerate().skip(from).find(is_one);
        found.map_or(self.pieces.len(), |(nth, _)| nth)
    }

    /// The text between two pieces, the second left out.
    fn between(&self, from: usize, to: usize) -> &'a str {
        let last = to.checked_sub(1).filter(|last| *last >= from).and_then(|last| self.pieces.get(last));
        let span =
            self.pieces.get(from).zip(last).and_then(|(first, last)| self.text.get(first.from..last.to));
        span.unwrap_or_default()
    }

    fn target(&self, from: usize, before: &[&str]) -> Result<Target<'a>, NoRead> {
        let mut last = from + usize::from(self.is(from, "only"));
        while self.is(last + 1, ".") {
            last += 2;
        }
        let name = self.pieces.get(last).filter(|piece| piece.is_name).ok_or(NoRead::Text)?;
        let mut end = last + 1 + usize::from(self.is(last + 1, "*"));
        let mut called = name.spelled;
        end += usize::from(self.is(end, "as"));
        if let Some(alias) =
            self.pieces.get(end).filter(|piece| piece.is_name && !before.iter().any(|word| piece.is(word)))
        {
            called = alias.spelled;
            end += 1;
        }
        let table = match name.spelled.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => name.spelled.to_lowercase(),
        };
        Ok(Target { spelled: self.between(from, end), called, table, end })
    }

    /// The query of an update or a delete, from the list of other tables on.
    fn rows_of(&self, target: &Target<'a>, list: usize, step: &'static str) -> Read {
        let condition = self.find(list, &["where", "returning"]);
        let end = self.find(condition, &["returning"]);
        let others = self.between(list + 1, condition);
        let comma = if others.is_empty() { "" } else { ", " };
        let Target { spelled, called, table, .. } = target;
        let condition = self.between(condition, end);
        let query = format!("select {called}.ctid from {spelled}{comma}{others} {condition}");
        Read { query: query.trim_end().to_owned(), step, table: table.clone() }
    }

    fn of_update(&self) -> Result<Read, NoRead> {
        let target = self.target(1, &["set"])?;
        if !self.is(target.end, "set") {
            return Err(NoRead::Text);
        }
        let list = self.find(target.end, &["from", "where", "returning"]);
        if self.pieces.iter().take(list).any(|piece| piece.is("select")) {
            return Err(NoRead::InSet);
        }
        self.without_cursor()?;
        let list = if self.is(list, "from") { list } else { list.saturating_sub(1) };
        Ok(self.rows_of(&target, list, "Update"))
    }

    fn of_delete(&self) -> Result<Read, NoRead> {
        if !self.is(1, "from") {
            return Err(NoRead::Text);
        }
        let target = self.target(2, &["using", "where", "returning"])?;
        self.without_cursor()?;
        let list = if self.is(target.end, "using") { target.end } else { target.end.saturating_sub(1) };
        Ok(self.rows_of(&target, list, "Delete"))
    }

    fn of_insert(&self) -> Result<Read, NoRead> {
        if !self.is(1, "into") {
            return Err(NoRead::Text);
        }
        let target = self.target(2, &["select", "with", "values", "default", "overriding", "table"])?;
        let begin = self.find(target.end, &["select", "with", "values", "default"]);
        if !self.is(begin, "select") && !self.is(begin, "with") {
            return Err(NoRead::Nothing);
        }
        let mut end = self.find(begin, &["returning"]);
        if let Some(conflict) = (begin..end).find(|nth| self.is(*nth, "on") && self.is(nth + 1, "conflict")) {
            end = conflict;
        }
        Ok(Read { query: self.between(begin, end).to_owned(), step: "Insert", table: target.table })
    }

    /// `WHERE CURRENT OF` names a cursor of its session.
    fn without_cursor(&self) -> Result<(), NoRead> {
        let has_cursor = (0..self.pieces.len()).any(|nth| self.is(nth, "current") && self.is(nth + 1, "of"));
        if has_cursor { Err(NoRead::Nothing) } else { Ok(()) }
    }
}

/// Placeholders counted from one: of a number that is left out nobody could tell the type.
fn renumbered(query: &str) -> Result<String, NoRead> {
    let (mut numbers, mut out, mut done) = (BTreeMap::new(), String::with_capacity(query.len()), 0);
    for piece in pieces(query)?.into_iter().filter(|piece| piece.spelled.starts_with('$')) {
        let next = numbers.len() + 1;
        let number = numbers.entry(piece.spelled).or_insert(next);
        out.push_str(query.get(done..piece.from).unwrap_or_default());
        out.push_str(&format!("${number}"));
        done = piece.to;
    }
    out.push_str(query.get(done..).unwrap_or_default());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> String {
        read(text).unwrap().unwrap().query
    }

    #[test]
    fn a_write_finds_its_rows_as_this_query_does() {
        for (write, query_of) in [
            ("update orders set note = $1 where id = $2", "select orders.ctid from orders where id = $1"),
            (
                "UPDATE only shop.\"Or\"\"ders\" AS o SET (a, b) = ($1, $2) FROM lines l, x WHERE o.id = l.order_id AND l.n = $3 RETURNING o.id",
                "select o.ctid from only shop.\"Or\"\"ders\" AS o, lines l, x WHERE o.id = l.order_id AND l.n = $1",
            ),
            (
                "update t set a = b is distinct from $1 where c in ($2, $3) and d = $2",
                "select t.ctid from t where c in ($1, $2) and d = $1",
            ),
            ("update t set a = $1", "select t.ctid from t"),
            (
                "update t set a = extract(day from b) from u where u.id = t.id",
                "select t.ctid from t, u where u.id = t.id",
            ),
            ("delete from orders", "select orders.ctid from orders"),
            (
                "delete from orders o where placed < $1 returning *",
                "select o.ctid from orders o where placed < $1",
            ),
            (
                "delete from a.b using c join d on c.x = d.x where b.id = c.id",
                "select b.ctid from a.b, c join d on c.x = d.x where b.id = c.id",
            ),
            (
                "delete from t where id in (select id from t order by id limit $1 for update skip locked)",
                "select t.ctid from t where id in (select id from t order by id limit $1 for update skip locked)",
            ),
            (
                "insert into t (a, b) select x, $1 from u join v on u.id = v.id where y = $2 on conflict (a) do nothing returning a",
                "select x, $1 from u join v on u.id = v.id where y = $2",
            ),
            ("insert into t with w as (select 1) select * from w", "with w as (select 1) select * from w"),
        ] {
            assert_eq!(query(write), query_of);
        }
        let of = |text: &str| read(text).unwrap().map(|read| (read.step, read.table));
        assert_eq!(of("update shop.\"Or\"\"ders\" set a = 1"), Ok(("Update", "Or\"ders".to_owned())));
        assert_eq!(of("delete from Shop.Orders"), Ok(("Delete", "orders".to_owned())));
    }

    #[test]
    fn what_reads_nothing_or_more_is_left_alone() {
        assert_eq!(read("select 1"), None);
        assert_eq!(read("with x as (select 1) update t set a = 1"), None);
        assert_eq!(read("insert into t values ($1, $2)"), Some(Err(NoRead::Nothing)));
        assert_eq!(read("insert into t default values"), Some(Err(NoRead::Nothing)));
        assert_eq!(read("update t set a = (select max(b) from u)"), Some(Err(NoRead::InSet)));
        assert_eq!(read("delete from t where current of c"), Some(Err(NoRead::Nothing)));
        for cut in [
            "update",
            "update t",
            "delete",
            "delete from",
            "insert",
            "insert into t",
            "update t set a = 'open",
        ] {
            assert!(read(cut).unwrap().is_err(), "{cut}");
        }
    }
}
