//! What pages share that read what a statement does, and look up the tables that it does it to.

use super::catalogue::Catalogue;
use super::logged::Fault;
use super::statement::{MAX_NAMED, Ran};
use super::{Seen, Word};
use crate::model::{Finding, Flavour, Name, Table};
use crate::sql::Dialect;
use crate::sql::shape::{self, Role, Shape, Use};
use std::collections::{BTreeSet, HashMap};

/// Statements whose tables are looked up: the dearest.
const MAX_LOOKED_AT: usize = 50;

/// A statement that was read to its end, and what it does.
#[derive(Debug)]
pub struct Understood<'a> {
    pub ran: Ran<'a>,
    pub shape: Shape,
}

impl<'a> Understood<'a> {
    pub fn of(ran: Ran<'a>, flavour: Flavour) -> Option<Understood<'a>> {
        let dialect = match flavour {
            Flavour::Postgres => Dialect::Postgres,
            Flavour::Mysql | Flavour::Mariadb => Dialect::MYSQL,
        };
        let shape = shape::read(dialect, ran.text);
        shape.understood.then_some(Understood { ran, shape })
    }

    /// The table at a place of the statement, where no other may be meant.
    pub fn table(&self, known: &Catalogue<'a>, place: usize) -> Option<&'a Table> {
        let named = self.shape.tables.get(place)?;
        let is_meant = |table: &&Table| named.schema.as_deref().is_none_or(|schema| schema == &*table.schema);
        known.table(&named.name).filter(is_meant)
    }
}

/// A table of a plan as its statement names it: what the statement does, what is known of its tables, and which it is.
#[derive(Debug)]
pub struct Meant<'a> {
    pub shape: Shape,
    pub known: Catalogue<'a>,
    pub place: usize,
    pub table: &'a Table,
}

impl<'a> Meant<'a> {
    /// None where several may be meant.
    pub fn of(seen: &Seen<'a>, fault: &Fault<'a, impl Sized>, name: &str) -> Option<Meant<'a>> {
        let shape = shape::read(Dialect::MYSQL, fault.text);
        let names = shape.tables.iter().map(|table| table.name.clone()).collect();
        let known = Catalogue::of(seen, &fault.key.database, &names);
        let is_it = |table: &shape::Table| table.alias.as_deref().unwrap_or(&table.name) == name;
        let mut places = shape.tables.iter().enumerate().filter(|(_, table)| is_it(table));
        let ((place, named), None, true) = (places.next()?, places.next(), shape.understood) else {
            return None;
        };
        let of_schema =
            |known: &&Table| named.schema.as_deref().is_none_or(|schema| schema == &*known.schema);
        let table = known.table(&named.name).filter(of_schema)?;
        Some(Meant { shape, known, place, table })
    }
}

/// The one column by which a table is joined. A join is told from both sides; of the other one it is not known what stands
/// around the column.
pub fn joined_by(shape: &Shape, place: usize) -> Option<&str> {
    let is_joined = |used: &&Use| {
        matches!(used.role, Role::Join { .. })
            && used.operator == "="
            && used.wrapped.is_empty()
            && !used.under_or
    };
    let joined: BTreeSet<&str> =
        shape.uses_of(place).filter(is_joined).map(|used| used.column.as_str()).collect();
    let mut joined = joined.into_iter();
    joined.next().filter(|_| joined.next().is_none())
}

/// Those of which a page may have something to say, and what is known of their tables, by database.
pub fn statements<'a>(
    seen: &Seen<'a>,
    dearest_first: Vec<Ran<'a>>,
    speaks_of: impl Fn(&Understood<'a>) -> bool,
) -> (Vec<Understood<'a>>, HashMap<Name, Catalogue<'a>>) {
    let read = dearest_first.into_iter().filter_map(|ran| Understood::of(ran, seen.flavour));
    let read: Vec<Understood<'a>> = read.filter(speaks_of).take(MAX_LOOKED_AT).collect();
    let tables = read.iter().flat_map(|one| {
        one.shape.tables.iter().map(|table| (one.ran.key.database.clone(), table.name.clone()))
    });
    let known = Catalogue::of_each(seen, tables);
    (read, known)
}

/// What a page has to say of such statements, as many as a page names.
pub fn findings<'a>(
    seen: &Seen<'a>,
    dearest_first: Vec<Ran<'a>>,
    speaks_of: impl Fn(&Understood<'a>) -> bool,
    judge: impl Fn(&Catalogue<'a>, &Understood<'a>) -> Option<Finding>,
) -> Vec<Word> {
    let (read, known) = statements(seen, dearest_first, speaks_of);
    let judged = read.iter().filter_map(|one| judge(known.get(&one.ran.key.database)?, one));
    judged.map(Word::from).take(MAX_NAMED).collect()
}
