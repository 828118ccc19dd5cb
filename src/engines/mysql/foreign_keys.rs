//! Foreign keys as InnoDB keeps them: without opening a table, and whoever may read it. Where the server has no
//! dictionary their tables bear the names of their files.

use super::answer::{Named, TextRow};
use super::connect::Sink;
use super::link::Link;
use crate::engine::layout::{Read, hash};
use crate::engine::reading::Failure;
use crate::model::{Constraint, InTopic, Name, Noun, Scope};
use std::collections::HashMap;

/// Bytes of all keys of a server.
const MOST: usize = 8 << 20;

#[derive(Debug)]
pub struct ForeignKey {
    schema: String,
    name: String,
    pub child: Place,
    pub parent: Place,
    pub child_columns: Vec<String>,
    pub parent_columns: Vec<String>,
    /// Bits: what happens to the rows that refer to one that is deleted or changed.
    deeds: i64,
}

/// A table as InnoDB names it.
#[derive(Debug)]
pub struct Place {
    schema: String,
    table: String,
    /// It has letters that are written in more ways than we know.
    is_coded: bool,
}

impl Place {
    fn of(stored: &str) -> Option<Place> {
        let (schema, table) = stored.split_once('/')?;
        let (schema, table) = (plain(schema), plain(table));
        let is_coded = schema.contains('@') || table.contains('@');
        Some(Place { schema, table, is_coded })
    }

    fn len(&self) -> usize {
        self.schema.len() + self.table.len()
    }

    /// May it be this table?
    pub fn may_be(&self, schema: &str, table: &str) -> bool {
        (self.schema == schema && self.table == table)
            || (self.is_coded && !(schema.is_ascii() && table.is_ascii()))
    }

    fn oid(&self) -> i64 {
        hash(&format!("{}.{}", self.schema, self.table))
    }
}

/// The name that a file's name stands for, as far as it is written by the numbers of its letters.
fn plain(stored: &str) -> String {
    let mut name = String::new();
    let mut rest = stored;
    while let Some((before, after)) = rest.split_once('@') {
        name.push_str(before);
        let code = after.get(..4).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let letter = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
        match letter {
            Some(letter) => {
                name.push(letter);
                rest = after.get(4..).unwrap_or_default();
            }
            None => {
                name.push('@');
                rest = after;
            }
        }
    }
    name + rest
}

/// Reads both answers as they come: as lists of cells they would weigh several times as much as the keys.
#[derive(Default)]
struct Keys {
    known: HashMap<String, (ForeignKey, Vec<Pair>)>,
    bytes: usize,
}

/// Where it stands in its key, a column of the child and one of the parent.
type Pair = (i64, String, String);

impl Keys {
    fn key(row: &Named) -> Option<(String, ForeignKey)> {
        let id = row.text("id")?;
        let (schema, name) = id.split_once('/')?;
        let (child_columns, parent_columns) = Default::default();
        let key = ForeignKey {
            schema: plain(schema),
            name: name.to_owned(),
            child: Place::of(row.text("child")?)?,
            parent: Place::of(row.text("parent")?)?,
            child_columns,
            parent_columns,
            deeds: row.whole("deeds").unwrap_or_default(),
        };
        Some((id.to_owned(), key))
    }

    fn pair(row: &Named) -> Option<(&str, Pair)> {
        let names = (row.text("child")?.to_owned(), row.text("parent")?.to_owned());
        Some((row.text("id")?, (row.whole("position")?, names.0, names.1)))
    }

    fn learn(&mut self, row: &Named) {
        if self.is_full() {
            return;
        }
        // A key first, then its columns.
        if let Some((id, pair)) = Self::pair(row) {
            if let Some((_, pairs)) = self.known.get_mut(id) {
                self.bytes += size_of::<Pair>() + pair.1.len() + pair.2.len();
                pairs.push(pair);
            }
        } else if let Some((id, key)) = Self::key(row) {
            self.bytes += size_of::<(String, ForeignKey, Vec<Pair>)>()
                + 2 * id.len()
                + key.child.len()
                + key.parent.len();
            self.known.insert(id, (key, Vec::new()));
        }
        if self.is_full() {
            self.known = HashMap::new();
        }
    }

    fn finish(self) -> Vec<ForeignKey> {
        let whole = |(mut key, mut pairs): (ForeignKey, Vec<Pair>)| {
            pairs.sort();
            (key.child_columns, key.parent_columns) =
                pairs.into_iter().map(|(_, child, parent)| (child, parent)).unzip();
            key
        };
        self.known.into_values().filter(|(_, pairs)| !pairs.is_empty()).map(whole).collect()
    }
}

impl Sink for Keys {
    fn row(&mut self, row: &TextRow<'_>) {
        self.learn(&Named::of(row));
    }

    fn is_full(&self) -> bool {
        self.bytes > MOST
    }

    fn let_go(&mut self) {
        *self = Self::default();
    }
}

/// All of the server.
pub async fn foreign_keys(link: &mut Link) -> Result<Vec<ForeignKey>, Failure> {
    let mut keys = Keys::default();
    for file in ["foreign_keys", "foreign_key_columns"] {
        link.run_in(&mut keys, file, &Scope::Server).await?;
    }
    if keys.is_full() {
        return Err(Failure::refused(format!("more foreign keys than have room in {} MiB", MOST >> 20)));
    }
    Ok(keys.finish())
}

/// Those of one schema, as constraints.
pub async fn read(link: &mut Link, schema: &Name) -> Result<Read, Failure> {
    let keys = foreign_keys(link).await?;
    let here = keys.iter().filter(|key| key.schema == **schema);
    let mut rows: Vec<Constraint> = here.map(ForeignKey::constraint).collect();
    rows.sort_unstable_by_key(Noun::key);
    Ok(Read { rows: Constraint::into_rows(rows), misfits: 0 })
}

impl ForeignKey {
    fn constraint(&self) -> Constraint {
        let deed = |cascade: i64, null: i64| match self.deeds {
            deeds if deeds & cascade != 0 => Name::new("c"),
            deeds if deeds & null != 0 => Name::new("n"),
            _ => Name::new("a"),
        };
        let list = |columns: &[String]| Some(Name::new(&columns.join(", ")));
        Constraint {
            oid: hash(&format!("{}.{}", self.schema, self.name)),
            database: Some(Name::new(&self.schema)),
            schema: Name::new(&self.schema),
            table: Name::new(&self.child.table),
            constraint: Name::new(&self.name),
            kind: Name::new("f"),
            table_oid: self.child.oid(),
            columns: list(&self.child_columns),
            index_oid: 0,
            target_oid: self.parent.oid(),
            target_columns: list(&self.parent_columns),
            on_delete: deed(1, 2),
            on_update: deed(4, 8),
            is_deferrable: false,
            is_validated: true,
            is_enforced: None,
            parent_oid: None,
            definition: None,
        }
    }
}

#[test]
fn tables_are_known_by_the_names_of_their_files() {
    assert_eq!(plain("ch@0024i@0020ld"), "ch$i ld");
    assert_eq!(plain("p@0k@0020r"), "p@0k r");
    let place = Place::of("odd/p@0k@0020r").unwrap();
    assert!(place.may_be("odd", "pä r"), "who knows");
    assert!(!place.may_be("odd", "par"));
    assert!(Place::of("odd/ch@0024i").unwrap().may_be("odd", "ch$i"));
}

#[test]
fn more_foreign_keys_than_have_room_are_none() {
    let mut keys = Keys::default();
    let mut learn = |id: &str, columns: &[(&str, &str)]| {
        let row = |cells: &[(&str, &str)]| Named::recorded(&[&[("id", id)], cells].concat());
        keys.learn(&row(&[("child", "shop/orders"), ("parent", "shop/people"), ("deeds", "1")]));
        for (nth, (child, parent)) in columns.iter().enumerate() {
            keys.learn(&row(&[("child", child), ("parent", parent), ("position", &nth.to_string())]));
        }
        (keys.known.len(), keys.is_full())
    };
    assert_eq!(learn("shop/person", &[("person", "id"), ("country", "country")]), (1, false));
    assert_eq!(learn("shop/nothing", &[]), (2, false));
    let whole = std::mem::take(&mut keys).finish();
    assert_eq!(whole.len(), 1, "without columns it is none");
    assert_eq!(whole[0].child_columns, ["person", "country"]);
    let mut learn = |nth: usize| {
        keys.learn(&Named::recorded(&[("id", &format!("shop/{nth}")), ("child", "a/b"), ("parent", "a/c")]))
    };
    (0..MOST / 100).for_each(&mut learn);
    assert!(keys.is_full() && keys.known.is_empty());
}
