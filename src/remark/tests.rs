//! Comments, friendly and hostile, and what they silence.

use super::*;
use crate::ledger::tests::finding;
use crate::ledger::{Ledger, State};
use crate::model::Severity;
use crate::rules::tests::made_up::{row, snapshot};
use crate::sql::normalise;
use crate::texts::Known;
use serde_json::json;

fn pages(comment: &str) -> Vec<&'static str> {
    Hush::of(comment).pages().to_vec()
}

#[test]
fn a_comment_silences_all_pages_or_those_that_it_names() {
    for all in [
        "dbsonde: silence",
        "DBSONDE:Silence",
        "kept for the audit; dbsonde:\tsilence.",
        "dbsonde: silence all",
        "dbsonde: silence (the audit reads it)",
        "dbsonde: silence - the audit reads it",
        "dbsonde: silence\nThe audit reads it.",
        "/* dbsonde: silence */",
    ] {
        assert_eq!(pages(all), [ALL], "{all}");
    }
    for some in [
        "dbsonde: silence index-unused, table-vacuum-behind",
        "dbsonde: silence Index-Unused ,\n table-vacuum-behind because of the audit, index-bloated",
        "dbsonde: silence: index-unused,table-vacuum-behind.",
        "dbsonde: silence index-unused; dbsonde: silence table-vacuum-behind, index-unused",
        "dbsonde: silence no-such-page, index-unused, another, table-vacuum-behind, ",
    ] {
        assert_eq!(pages(some), ["index-unused", "table-vacuum-behind"], "{some}");
    }
    for none in [
        "",
        "dbsonde",
        "dbsonde: ",
        "dbsonde: silences index-unused",
        "dbsonde: silence-all",
        "dbsonde is silent; silence",
        "dbsonde:\nsilence",
        "dbsonde: be quiet, silence",
        "mydbsonde: silence",
        "dbsonde: silence index-unusd",
        "dbsonde: silence the audit reads it",
    ] {
        assert!(Hush::of(none).is_empty(), "{none}");
    }
    let hush = Hush::of("dbsonde: silence index-unused");
    assert!(hush.covers("index-unused") && !hush.covers("index-bloated"));
    assert!(Hush::of("dbsonde: silence").covers("index-bloated"));
}

#[test]
fn of_a_text_only_comments_count() {
    let mysql = Dialect::MYSQL;
    let in_text = |dialect, text: &str| {
        normalise(dialect, text).unwrap_or_else(|why| panic!("{text}: {why}"));
        Hush::in_text(dialect, text).pages().to_vec()
    };
    for said in [
        "/* dbsonde: silence index-unused */ select 1",
        "select /* dbsonde: silence index-unused */ 1",
        "select 1 -- dbsonde: silence index-unused",
        "-- dbsonde: silence index-unused\nselect 'it''s', \"dbsonde\" from t",
        "select 1 /* a *//* dbsonde: silence index-unused *//* b */ from t",
    ] {
        assert_eq!(in_text(Dialect::Postgres, said), ["index-unused"], "{said}");
        assert_eq!(in_text(mysql, said), ["index-unused"], "{said}");
    }
    assert_eq!(in_text(mysql, "select 1 # dbsonde: silence"), [ALL]);
    assert_eq!(in_text(Dialect::Postgres, "select /* a /* dbsonde: silence */ b */ 1"), [ALL]);
    for literal in [
        "select 'dbsonde: silence'",
        "select '/* dbsonde: silence */'",
        "select '-- dbsonde: silence' from t",
        "select 'it''s /* dbsonde: silence */' from t",
        "select 1 from t where a in ('x', '/* dbsonde: silence */', 'y')",
        "select a as \"/* dbsonde: silence */\" from t",
    ] {
        assert!(in_text(Dialect::Postgres, literal).is_empty(), "{literal}");
        assert!(in_text(mysql, literal).is_empty(), "{literal}");
    }
    for literal in ["select $$ /* dbsonde: silence */ $$", "select e'\\' /* dbsonde: silence */ '"] {
        assert!(in_text(Dialect::Postgres, literal).is_empty(), "{literal}");
    }
    for literal in ["select `/* dbsonde: silence */` from t", r"select 'a\' /* dbsonde: silence */ ', 1"] {
        assert!(in_text(mysql, literal).is_empty(), "{literal}");
    }
}

#[test]
fn a_hostile_comment_costs_no_more_than_its_length() {
    // Its square would take many minutes.
    let began = std::time::Instant::now();
    for piece in ["dbsonde:", "dbsonde: silence ", "dbsonde: silence a, ", "/* dbsonde: silence ", "ß:"] {
        let huge = piece.repeat((1 << 18) / piece.len());
        assert!(Hush::of(&huge).pages().len() <= 1, "{piece}");
        Hush::in_text(Dialect::Postgres, &huge);
        Hush::in_text(Dialect::MYSQL, &huge);
    }
    let list = format!("dbsonde: silence {} index-unused", "x, ".repeat(1 << 18));
    assert!(Hush::of(&list).is_empty(), "nobody reads so far");
    let every = format!("dbsonde: silence {}", Handbook::IDS.join(", "));
    assert_eq!(pages(&every), Handbook::IDS);
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

#[test]
fn what_an_engine_reads_becomes_a_row_of_each_page() {
    let read =
        |page: &str| row::<Remark>(json!({"oid": 1, "schema": "public", "table": "orders", "page": page}));
    let mut rows = vec![
        read(" dbsonde: silence index-unused, index-bloated because my password is hunter2"),
        read("xdbsonde: silence"),
        read("dbsonde: silence"),
    ];
    understand(&mut rows);
    let pages: Vec<&str> = rows.iter().map(|row| &*row.page).collect();
    assert_eq!(pages, ["index-unused", "index-bloated", ALL]);
}

struct Scene {
    now: Snapshot,
    texts: Texts,
}

impl Scene {
    /// With comments on these: table, index, page.
    fn new(said: &[(&str, Option<&str>, &str)]) -> Scene {
        let remark = |(nth, (table, index, page)): (usize, &(&str, Option<&str>, &str))| {
            row::<Remark>(
                json!({"oid": nth, "page": page, "database": "shop", "schema": "public", "table": table,
                                 "index": index}),
            )
        };
        let shop = || Scope::Database("shop".into());
        let mut now = snapshot(0.0, shop(), said.iter().enumerate().map(remark).collect());
        let tables = ["order", "order items", "orders"].iter().enumerate().map(|(nth, table)| {
            row::<Table>(
                json!({"oid": nth, "database": "shop", "schema": "public", "table": table, "kind": "r"}),
            )
        });
        now.parts.extend(snapshot(0.0, shop(), tables.collect()).parts);
        Scene { now, texts: Texts::default() }
    }

    fn silence(&self, entry: &Entry) -> Option<String> {
        Remarks { now: &self.now, texts: &self.texts }.silence(entry)?.because
    }

    /// Why a finding of this page on this subject is silenced; of one about an index its table is told.
    fn said(&self, page: &str, subject: &str, table: Option<&str>) -> Option<String> {
        self.silence(&entry(page, subject, table))
    }
}

fn entry(page: &str, subject: &str, table: Option<&str>) -> Entry {
    let mut finding = Finding { rule: page.into(), ..finding(subject, Severity::Note, 1.0) };
    finding.evidence.extend(table.map(|table| (Name::new("table"), json!(table))));
    let mut ledger = Ledger::default();
    ledger.apply(0.0, &"db1".into(), vec![finding], |_, _| true, |_| None);
    ledger.to_vec().remove(0)
}

#[test]
fn a_comment_on_a_table_holds_for_its_columns_and_its_indexes() {
    let scene = Scene::new(&[("order", None, ALL)]);
    let said = |page, subject, table| scene.said(page, subject, table);
    let because = Some(ON_TABLE.to_owned());
    assert_eq!(said("table-vacuum-behind", "public.order", None), because);
    assert_eq!(said("index-missing", "public.order (customer)", None), because);
    assert_eq!(said("table-key-exhaustion", "public.order.id", None), because);
    assert_eq!(said("index-missing-on-foreign-key", "public.order order_customer_fkey", None), because);
    assert_eq!(said("index-unused", "public.some_index", Some("public.order")), because);
    for (page, subject, table) in [
        ("table-vacuum-behind", "public.orders", None),
        ("table-vacuum-behind", "public.order items", None),
        ("index-missing", "public.order items (customer)", None),
        ("table-vacuum-behind", "audit.order", None),
        ("index-unused", "public.order items_idx", Some("public.order items")),
        ("index-unused", "public.orders_idx", Some("public.orders")),
        ("statement-dominant", "00000000000000aa", Some("public.order")),
        ("server-deadlocks", "order", None),
    ] {
        assert_eq!(said(page, subject, table), None, "{page} {subject}");
    }
    let mut elsewhere = entry("table-vacuum-behind", "public.order", None);
    elsewhere.finding.database = Some("other".into());
    assert_eq!(scene.silence(&elsewhere), None);
}

#[test]
fn a_comment_on_an_index_holds_for_that_index_and_those_pages() {
    let scene = Scene::new(&[("order", Some("by_note"), "index-unused")]);
    let said = |page, subject, table| scene.said(page, subject, table);
    assert_eq!(said("index-unused", "public.by_note", Some("public.order")), Some(ON_INDEX.to_owned()));
    assert_eq!(said("index-bloated", "public.by_note", Some("public.order")), None, "another page");
    assert_eq!(said("index-unused", "public.by_day", Some("public.order")), None);
    assert_eq!(said("index-unused", "public.by_note", Some("public.orders")), None, "of the same name");
    assert_eq!(said("table-vacuum-behind", "public.order", None), None);
}

#[test]
fn a_comment_in_a_statement_holds_for_that_statement() {
    let mut scene = Scene::new(&[]);
    scene.texts.learn(1, Known::Digest(Digest(0xaa)), Some("select ?"));
    scene.texts.learn(2, Known::Digest(Digest(0xbb)), Some("select ?, ?"));
    scene.texts.heed(1, Hush::of("dbsonde: silence statement-dominant"));
    scene.texts.heed(3, Hush::of("dbsonde: silence"));
    let (one, other) = ("00000000000000aa", "00000000000000bb");
    assert_eq!(scene.said("statement-dominant", one, None), Some(IN_STATEMENT.to_owned()));
    assert_eq!(scene.said("statement-erratic", one, None), None);
    assert_eq!(scene.said("statement-dominant", other, None), None);
    scene.texts.heed_nothing();
    assert_eq!(scene.said("statement-dominant", one, None), None);
}

/// Told when the comment is gone; and a new life of ours, that has not read it yet, does not tell.
#[test]
fn a_silenced_finding_stays_so_until_its_comment_is_known_to_be_gone() {
    let (with, without) = (Scene::new(&[("orders", None, ALL)]), Scene::new(&[]));
    let unread = Scene { now: Snapshot::default(), texts: Texts::default() };
    let mut ledger = Ledger::default();
    let read = |ledger: &mut Ledger, scene: &Scene| {
        let remarks = Remarks { now: &scene.now, texts: &scene.texts };
        let found = vec![finding("public.orders", Severity::Warning, 1.0)];
        let silence = |entry: &Entry| remarks.silence(entry);
        let told = ledger.apply(0.0, &"db1".into(), found, |_, _| true, silence).len();
        let entry = ledger.open().next().unwrap();
        (told, entry.state, entry.silenced_because.clone())
    };
    let silenced = (0, State::Silenced, Some(ON_TABLE.to_owned()));
    assert_eq!(read(&mut ledger, &with), silenced);
    let mut ledger = Ledger::restore(ledger.to_vec());
    assert_eq!(read(&mut ledger, &unread), silenced);
    assert_eq!(read(&mut ledger, &with), silenced);
    assert_eq!(read(&mut ledger, &without), (1, State::Open, None));
    assert_eq!(read(&mut ledger, &unread), (0, State::Open, None));
}
