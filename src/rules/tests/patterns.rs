//! Pages about patterns: runs that read all orders for those whose note is like something.

use super::logged::{shows_of, thrice};
use super::made_up::*;
use crate::model::{Collation, Database, Extension, Scope};
use serde_json::{Value, json};

const TEXT: &str = "select * from orders where note like ?";
const NAME: &str = "statement 00000000000000aa (select * from orders where note like ?)";
const WHEN: &str = "in 3 of the last 3 slow runs that the log has shown, the newest of 2.0 s";

/// What is known beside the runs; each may be changed.
struct Known {
    step: Value,
    table: Value,
    index: Value,
    database: Value,
    collations: Vec<Value>,
    extensions: Vec<&'static str>,
}

impl Default for Known {
    fn default() -> Self {
        let index =
            json!({"index": "note_idx", "columns": "4", "collations": "100", "operator_classes": "3126"});
        Known {
            step: json!({}),
            table: json!({}),
            index,
            database: json!({"collation": "de_DE.UTF-8", "locale_provider": "c"}),
            collations: Vec::new(),
            extensions: Vec::new(),
        }
    }
}

impl Known {
    fn world(self, filter: &str) -> World {
        let step = json!({"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": filter, "Actual Rows": 3,
            "Rows Removed by Filter": 100_000, "Actual Loops": 1});
        let of_shop = |row: Value| with(json!({"database": "shop"}), row);
        let database: Database = row(of_shop(self.database));
        let collation =
            |own: Value| row::<Collation>(with(json!({"oid": 12_345, "schema": "pg_catalog"}), of_shop(own)));
        let extension =
            |name: &&str| row::<Extension>(of_shop(json!({"oid": 9, "extension": name, "schema": "tools"})));
        let world = shows_of(TEXT, self.table, thrice(&with(step, self.step)));
        let now = together([
            world.now.clone(),
            snapshot(100.0, shop(), vec![index(with(json!({"table_oid": 1}), self.index))]),
            snapshot(100.0, Scope::Server, vec![database]),
            snapshot(100.0, shop(), self.collations.into_iter().map(collation).collect()),
            snapshot(100.0, shop(), self.extensions.iter().map(extension).collect()),
        ]);
        World { now, ..world }
    }
}

/// Notes that begin in some way, in the order of German.
pub fn begins(thrown_away: u64) -> World {
    Known { step: json!({"Rows Removed by Filter": thrown_away}), ..Known::default() }
        .world("(note ~~ 'abc%'::text)")
}

/// Notes in which something stands anywhere.
pub fn anywhere(thrown_away: u64) -> World {
    Known { step: json!({"Rows Removed by Filter": thrown_away}), ..Known::default() }
        .world("(note ~~ '%abc%'::text)")
}

#[test]
fn an_index_in_the_order_of_a_language_finds_no_beginning() {
    let rule = "statement-like-collation";
    let said = format!(
        "Warning public.orders (note): {NAME} looked through 100,003 rows of public.orders for 3 whose note is like a pattern that \
         begins with letters, {WHEN}: the index note_idx is in the order of a language, where these do not stand together"
    );
    assert_eq!(begins(100_000).said(rule), [said]);
    let fix = begins(100_000).fix(rule).unwrap();
    assert_eq!(
        fix.sql[1],
        r#"CREATE INDEX CONCURRENTLY "orders_note_pattern_idx" ON "public"."orders" ("note" text_pattern_ops);"#
    );
    assert_eq!(fix.rollback, [r#"DROP INDEX CONCURRENTLY IF EXISTS "public"."orders_note_pattern_idx";"#]);
    let speaks = |known: Known| known.world("(note ~~ 'abc%'::text)").said(rule).len() == 1;
    let of_column = |provider: &str| Known {
        index: json!({"columns": "4", "collations": "12345", "operator_classes": "3126"}),
        collations: vec![json!({"collation": "some", "provider": provider})],
        ..Known::default()
    };
    assert!(speaks(of_column("i")) && speaks(of_column("c")));
    assert!(speaks(Known {
        database: json!({"collation": "C", "locale_provider": "i"}),
        ..Known::default()
    }));
    assert!(
        speaks(Known { database: json!({"collation": "C.UTF-8"}), ..Known::default() }),
        "of the library, before 15"
    );
    let indexed = |changes: Value| Known { index: with(Known::default().index, changes), ..Known::default() };
    for (what, known) in [
        (
            "a database in the order of bytes",
            Known { database: json!({"collation": "C"}), ..Known::default() },
        ),
        (
            "the server's own order",
            Known { database: json!({"collation": "de_DE", "locale_provider": "b"}), ..Known::default() },
        ),
        ("an order that nobody knows", Known { database: json!({}), ..Known::default() }),
        ("a collation of the column that is not told", Known { collations: Vec::new(), ..of_column("i") }),
        ("the server's own, of the column", of_column("b")),
        ("a column in the order of bytes", indexed(json!({"collations": "950"}))),
        ("it compares bytes", indexed(json!({"operator_classes": "4217"}))),
        ("no index begins with it", indexed(json!({"columns": "2 4"}))),
        ("only of some rows", indexed(json!({"has_predicate": true}))),
        ("invalid", indexed(json!({"is_valid": false}))),
        ("many are wanted", Known { step: json!({"Actual Rows": 5_300}), ..Known::default() }),
        ("found by another index", Known { step: json!({"Node Type": "Index Scan"}), ..Known::default() }),
        ("a partition", Known { table: json!({"is_partition": true}), ..Known::default() }),
        (
            "no text",
            Known { step: json!({"Filter": "((status)::text ~~ 'abc%'::text)"}), ..Known::default() },
        ),
    ] {
        assert!(!speaks(known), "{what}");
    }
    for filter in
        ["(note ~~* 'abc%'::text)", "(note ~~ '%abc'::text)", "((note ~~ 'abc%'::text) AND (id > 7))"]
    {
        assert_eq!(Known::default().world(filter).said(rule), NOTHING, "{filter}");
    }
}

#[test]
fn what_stands_anywhere_is_looked_for_everywhere() {
    let rule = "statement-leading-wildcard";
    let said = format!(
        "Note public.orders (note): {NAME} looked through 100,003 rows of public.orders for 3 whose note is like a pattern that begins \
         with anything, {WHEN}"
    );
    assert_eq!(anywhere(100_000).said(rule), [said]);
    let steps = |known: Known| known.world("(note ~~ '%abc%'::text)").fix(rule).unwrap().sql[1..].to_vec();
    let index = |schema: &str| {
        format!(
            r#"CREATE INDEX CONCURRENTLY "orders_note_trgm_idx" ON "public"."orders" USING gin ("note" "{schema}".gin_trgm_ops);"#
        )
    };
    let install = "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;".to_owned();
    assert_eq!(steps(Known { extensions: vec!["hstore"], ..Known::default() }), [install, index("public")]);
    assert_eq!(steps(Known { extensions: vec!["pg_trgm"], ..Known::default() }), [index("tools")]);
    let padded = Known::default().world("(code ~~ '%abc%'::text)");
    assert_eq!((padded.said(rule).len(), padded.fix(rule)), (1, None), "trigrams are of texts");
    let indexed = |changes: Value| Known { index: with(Known::default().index, changes), ..Known::default() };
    for (what, known) in [
        ("such an index is there", indexed(json!({"access_method": "gin"}))),
        (
            "it may be of this column",
            indexed(json!({"access_method": "gist", "columns": "0", "has_expressions": true})),
        ),
        ("many are wanted", Known { step: json!({"Actual Rows": 5_300}), ..Known::default() }),
    ] {
        assert_eq!(known.world("(note ~~ '%abc%'::text)").said(rule), NOTHING, "{what}");
    }
    assert_eq!(Known::default().world("(note ~~ '%ab%'::text)").said(rule), NOTHING, "no trigram");
    assert_eq!(
        Known::default().world("(note ~~* '%abc'::text)").said(rule).len(),
        1,
        "both cases are found by it"
    );
}
