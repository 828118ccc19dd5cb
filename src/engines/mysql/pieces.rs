//! Readings of a schema so large that one answer would be too much to hold, or to ask for at once: they are asked in
//! pieces, from one name of a table to another. Where the cuts lie, the server's own order of names decides, in which it
//! also compares; the first and the last piece are open, so that what comes meanwhile is in one of them.

use super::answer::Named;
use super::connect::Sink;
use super::link::{Link, literal};
use crate::engine::reading::Failure;
use crate::model::{Name, Scope};
use std::collections::HashMap;

/// A reading that can be cut.
#[derive(Debug)]
struct Cut {
    file: &'static str,
    /// What tells the names of its tables, to whoever may read it.
    names: &'static str,
    /// Tables in a piece, as long as these are not too many.
    tables: usize,
}

/// As many as there are: what is asked each minute is asked for names only where it was once too much.
const ALL: usize = usize::MAX;

/// Of 2,000 tables an answer has room for 32 columns each, and for as many parts of indexes.
const CUTS: [Cut; 4] = [
    Cut { file: "columns", names: "table_names", tables: 2_000 },
    Cut { file: "index_columns", names: "table_names", tables: 2_000 },
    Cut { file: "tables", names: "innodb_names", tables: ALL },
    Cut { file: "indexes", names: "innodb_names", tables: ALL },
];
/// Of so many tables an answer has room for nine indexes each.
const NEXT_TO_ALL: usize = 4_000;
/// How many times as much as one answer all pieces may bring. Read into our nouns they weigh a quarter: a name is held
/// once, however many rows have it.
const TIMES: usize = 4;

/// How many tables have room in a piece, of each reading and schema that was once too much.
#[derive(Debug, Default)]
pub struct Pieces(HashMap<(&'static str, Name), usize>);

impl Pieces {
    fn tables(&self, cut: &Cut, schema: &Name) -> usize {
        self.0.get(&(cut.file, schema.clone())).copied().unwrap_or(cut.tables)
    }

    /// Forgets a schema that is no more.
    pub fn forget(&mut self, schema: &Name) {
        self.0.retain(|(_, of), _| of != schema);
    }

    /// It was too much: from now on half of it. False if there is nothing to cut.
    fn halve(&mut self, cut: &Cut, schema: &Name, names: usize) -> bool {
        let tables = match self.tables(cut, schema) {
            ALL => NEXT_TO_ALL,
            tables => tables.min(names) / 2,
        };
        if tables > 0 {
            self.0.insert((cut.file, schema.clone()), tables);
        }
        tables > 0
    }
}

/// What each piece asks for, with so many tables in it.
fn conditions(names: &[String], tables: usize) -> Vec<String> {
    let ends = names.chunks(tables).rev().skip(1).filter_map(|piece| piece.last());
    let mut ends: Vec<String> = ends.map(|name| literal(name)).collect();
    ends.reverse();
    let after = |nth: usize| Some(format!("and table_name > {}", ends.get(nth.checked_sub(1)?)?));
    let up_to = |nth: usize| Some(format!("and table_name <= {}", ends.get(nth)?));
    (0..=ends.len())
        .map(|nth| [after(nth), up_to(nth)].into_iter().flatten().collect::<Vec<_>>().join(" "))
        .collect()
}

impl Link {
    /// Runs a file's SQL in a schema, in pieces where that would be too much at once.
    pub async fn run_in_schema(
        &mut self,
        sink: &mut impl Sink,
        file: &'static str,
        schema: &Name,
    ) -> Result<(), Failure> {
        let sql = self.sql(file, &Scope::Database(schema.clone()))?;
        let Some(cut) = CUTS.iter().find(|cut| cut.file == file) else {
            return self.send(sink, &sql.replace("{of_table}", "")).await;
        };
        loop {
            let tables = self.pieces.tables(cut, schema);
            let names = if tables == ALL { Vec::new() } else { self.names(cut, schema).await? };
            match self.run_pieces(sink, &sql, &conditions(&names, tables)).await {
                Err(Failure::Refused { .. })
                    if self.is_too_much() && self.pieces.halve(cut, schema, names.len()) =>
                {
                    sink.let_go();
                }
                result => return result,
            }
        }
    }

    async fn run_pieces(
        &mut self,
        sink: &mut impl Sink,
        sql: &str,
        conditions: &[String],
    ) -> Result<(), Failure> {
        let mut all = 0;
        for condition in conditions {
            self.send(sink, &sql.replace("{of_table}", condition)).await?;
            if sink.is_full() {
                return Ok(());
            }
            let (weighed, most) = self.weighed();
            all += weighed;
            if all > TIMES * most {
                sink.let_go();
                let most = (TIMES * most) >> 20;
                let why = format!("what there is of the schema is larger than the {most} MiB that we hold");
                return Err(Failure::refused(why));
            }
        }
        Ok(())
    }

    fn is_too_much(&self) -> bool {
        let (weighed, most) = self.weighed();
        weighed > most
    }

    async fn names(&mut self, cut: &Cut, schema: &Name) -> Result<Vec<String>, Failure> {
        let sql = self.sql(cut.names, &Scope::Database(schema.clone()))?;
        let mut rows: Vec<Named> = Vec::new();
        self.send(&mut rows, &sql).await?;
        Ok(rows.iter().filter_map(|row| Some(row.text("name")?.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(file: &str) -> &'static Cut {
        CUTS.iter().find(|cut| cut.file == file).unwrap()
    }

    #[test]
    fn every_name_is_in_one_piece_and_so_is_one_that_comes_meanwhile() {
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let [b, d] = ["b", "d"].map(literal);
        let pieces = [
            format!("and table_name <= {b}"),
            format!("and table_name > {b} and table_name <= {d}"),
            format!("and table_name > {d}"),
        ];
        assert_eq!(conditions(&names, 2), pieces);
        for whole in [conditions(&names, 5), conditions(&names, ALL), conditions(&[], 2_000)] {
            assert_eq!(whole, [""], "nothing to cut");
        }
        let halves = conditions(names.get(..4).unwrap(), 2);
        assert_eq!(halves, [format!("and table_name <= {b}"), format!("and table_name > {b}")]);
    }

    #[test]
    fn what_was_too_much_is_halved_until_there_is_nothing_to_cut() {
        let (mut pieces, shop, other) = (Pieces::default(), Name::new("shop"), Name::new("other"));
        let columns = cut("columns");
        let mut tried = vec![pieces.tables(columns, &shop)];
        while pieces.halve(columns, &shop, 300) {
            tried.push(pieces.tables(columns, &shop));
        }
        assert_eq!(tried, [2_000, 150, 75, 37, 18, 9, 4, 2, 1]);
        assert_eq!(pieces.tables(columns, &other), 2_000);
        assert!(!pieces.halve(columns, &other, 0), "a login that sees no name cuts nothing");
        let indexes = cut("indexes");
        assert_eq!(pieces.tables(indexes, &shop), ALL);
        assert!(pieces.halve(indexes, &shop, 0));
        assert_eq!(pieces.tables(indexes, &shop), NEXT_TO_ALL);
    }

    #[test]
    fn what_can_be_cut_says_where() {
        for cut in &CUTS {
            let file = std::fs::read_to_string(format!("src/engines/mysql/sql/{}.sql", cut.file)).unwrap();
            assert!(file.contains("{database} {of_table}\n"), "{}", cut.file);
        }
    }
}
