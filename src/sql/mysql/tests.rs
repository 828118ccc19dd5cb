//! Texts as typed and as MySQL 9.7 and MariaDB 11.8 digest them. What the servers say of many more is asked by
//! the integration tests.

use crate::sql::{Class, Dialect, Refused, SqlMode, normalise, normalise_cut};

const ANSI: SqlMode = SqlMode { ansi_quotes: true, ..SqlMode::DEFAULT };
const PLAIN: SqlMode = SqlMode { no_backslash_escapes: true, ..SqlMode::DEFAULT };

fn fp(text: &str) -> String {
    normalise(Dialect::MYSQL, text).unwrap_or_else(|why| panic!("{text}: {why}")).fingerprint
}

/// A text as typed, what a server made of it, and the fingerprint of both.
const FORMS: &[(&str, &str, &str)] = &[
    (
        "select a from t where b = 7",
        "EXECUTE SELECT `a` FROM `t` WHERE `b` = ? ",
        "select a from t where b = ?",
    ),
    ("(select 1) union (select 2)", "EXECUTE ( SELECT ? ) UNION ( SELECT ? )", "(select ?) union (select ?)"),
    ("execute p using @a", "EXECUTE `p` USING @? ", "execute"),
    ("execute immediate 'select 1'", "EXECUTE IMMEDIATE ?", "execute immediate"),
    ("prepare p from 'select 1'", "PREPARE SELECT ?", "prepare"),
    ("deallocate prepare p", "DEALLOCATE SELECT ?", "deallocate"),
    ("select 1", "SELECT ?  ", "select ?"),
    ("select 1, 2, a from T", "SELECT ?, ... , `a` FROM `T`", "select ?, ..., a from T"),
    (
        "select -1, - 1, +1, a-1, a -1, a - -1, (-1), - -1, -a, -'1'",
        "SELECT ?, ... , `a` - ? , `a` - ? , `a` - ? , (?) , ? , - `a` , - ?",
        "select ?, ..., a - ?, a - ?, a - ?, (?), ?, - a, ?",
    ),
    (
        "select case when a then -1 else -2 end - 3",
        "SELECT CASE WHEN `a` THEN - ? ELSE - ? END - ?",
        "select case when a then ? else ? end - ?",
    ),
    (
        "select a from t where a in (1)",
        "SELECT `a` FROM `t` WHERE `a` IN (?)",
        "select a from t where a in (?)",
    ),
    (
        "select a from t where a in (1, 2)",
        "SELECT `a` FROM `t` WHERE `a` IN (...)",
        "select a from t where a in (?)",
    ),
    (
        "select a from t where a in (1, b, 2, 3)",
        "SELECT `a` FROM `t` WHERE `a` IN ( ? , `b` , ?, ... )",
        "select a from t where a in (?, b, ?, ...)",
    ),
    (
        "select a from t where (a,b) in ((1,2),(3,4))",
        "SELECT `a` FROM `t` WHERE ( `a` , `b` ) IN ( (...) /* , ... */ )",
        "select a from t where (a, b) in ((...))",
    ),
    (
        "insert into t(a) values (1), (2)",
        "INSERT INTO `t` ( `a` ) VALUES (?) /* , ... */",
        "insert into t(a) values (?)",
    ),
    (
        "insert into t values (1,null),(2,'x')",
        "INSERT INTO `t` VALUES (...) /* , ... */",
        "insert into t values (...)",
    ),
    (
        "insert into t values (1,now()),(2,NOW())",
        "INSERT INTO `t` VALUES ( ? , NOW ( ) ) , ( ? , NOW ( ) )",
        "insert into t values (?, now())",
    ),
    (
        "replace into t value (1) on duplicate key update a = values(a)",
        "REPLACE INTO `t` VALUE (?) ON DUPLICATE KEY UPDATE `a` = VALUES ( `a` )",
        "replace into t value (?) on duplicate key update a = values (a)",
    ),
    (
        "select null, true, a is null, b is not null from t",
        "SELECT ? , TRUE , `a` IS NULL , `b` IS NOT NULL FROM `t`",
        "select ?, true, a is null, b is not null from t",
    ),
    ("select a from t limit 1, 2", "SELECT `a` FROM `t` LIMIT ?, ...", "select a from t limit ?, ..."),
    (
        "select f(1,2), f(1), f(1,a)",
        "SELECT `f` (...) , `f` (?) , `f` ( ? , `a` )",
        "select f(...), f(?), f(?, a)",
    ),
    (
        "select status, Status, `Status`, t.status",
        "SELECT STATUS , STATUS , `Status` , `t` . `status`",
        "select status, status, status, t.status",
    ),
    (
        "select Foo, `foo`, `a b`, `select`, `12`",
        "SELECT `Foo` , `foo` , `a b` , `select` , `12`",
        "select Foo, foo, `a b`, `select`, `12`",
    ),
    ("select 1st, `2nd` from 3d", "SELECT `1st` , `2nd` FROM `3d`", "select 1st, 2nd from 3d"),
    (
        "select 'a' 'b', \"c\", N'n', _utf8'x', _utf8mb4 'x', x'41', 0x41, b'01', 1e5, 1.5E-3, .5, 5.",
        "SELECT ? ?, ... , (_charset) ? , (_charset) ? , (unknown) , ?, ...",
        "select ?, ...",
    ),
    (
        "select @x, @'y z', @`z`, @@version, @@global.sql_mode, @x := 5",
        "SELECT @? , @? , @`z` , @@`version` , @@GLOBAL . `sql_mode` , @? := ?",
        "select @?, @?, @?, @@version, @@global.sql_mode, @? := ?",
    ),
    (
        "select 1 as 'alias', 2 as \"b\", 3 as `c d`, 4 e",
        "SELECT ? AS ?, ... AS ?, ... AS `c d` , ? `e`",
        "select ? as ?, ... as ?, ... as `c d`, ? e",
    ),
    ("select a<>1 && b != 2 || c", "SELECT `a` != ? && `b` != ? || `c`", "select a != ? && b != ? || c"),
    (
        "select /*!50000 a, */ /*+ HINT(1) */ 1 /* x */ -- y\n from t # z",
        "SELECT `a` , ? FROM `t`",
        "select a, ? from t",
    ),
    ("select 5--1, 5 -- 1\n", "SELECT ? - ?, ...", "select ? - ?, ..."),
    (
        "select now() - interval 1 day, interval -5 minute, current_timestamp",
        "SELECT NOW ( ) - INTERVAL ? SQL_TSI_DAY , INTERVAL ? SQL_TSI_MINUTE , NOW",
        "select now() - interval ? day, interval ? minute, now",
    ),
    (
        "select substr('a', 1), mid, std(a)",
        "SELECT SUBSTRING (...) , `mid` , STDDEV_POP ( `a` )",
        "select substring(...), mid, stddev_pop(a)",
    ),
    ("select j->'$.a', j->>'$.b'", "SELECT `j` -> ? , `j` ->> ?", "select j -> ?, j ->> ?"),
    (
        "select distinct a from t where b rlike 'x'",
        "SELECT DISTINCTROW `a` FROM `t` WHERE `b` RLIKE ?",
        "select distinct a from t where b regexp ?",
    ),
    ("select (1), (2), (3,4), (5,6)", "SELECT (?) /* , ... */ , (...) /* , ... */", "select (?), (...)"),
    (
        "select a from t order by 1, 2 desc",
        "SELECT `a` FROM `t` ORDER BY 1 , 2 DESC",
        "select a from t order by ?, ... desc",
    ),
    (
        "select cast(a as character(5)), {d '2020-01-01'}",
        "SELECT CAST ( `a` AS CHARACTER (?) ) , { `d` ? }",
        "select cast(a as char(?)), { d ? }",
    ),
    ("table t", "TABLE `t`", "table t"),
    ("call p('kanari')", "CALL `p` (?)", "call"),
    (
        "create user kanari identified by 'pieps'",
        "CREATE SYSTEM_USER `kanari` IDENTIFIED BY ?",
        "create user",
    ),
    ("set password for kanari = 'pieps'", "SET PASSWORD FOR `kanari` = ?", "set password"),
    ("describe t", "EXPLAIN `t`", "explain"),
    ("show global status like 'x'", "SHOW GLOBAL STATUS LIKE ?", "show status"),
    ("drop schema if exists kanari", "DROP SCHEMA IF EXISTS `kanari`", "drop database"),
    (
        "create trigger x before insert on t for each row begin set @a = 1; end",
        "CREATE TRIGGER `x`",
        "create trigger",
    ),
];

#[test]
fn both_forms_of_a_text_have_one_fingerprint() {
    for (typed, digested, expected) in FORMS {
        assert_eq!(fp(typed), *expected, "{typed}");
        assert_eq!(fp(digested), *expected, "{digested}");
    }
}

#[test]
fn a_fingerprint_is_its_own_fingerprint() {
    for (text, ..) in FORMS {
        let first = normalise(Dialect::MYSQL, text).unwrap();
        if !matches!(first.class, Class::Utility(_)) {
            assert_eq!(normalise(Dialect::MYSQL, &first.fingerprint).unwrap(), first, "{text}");
        }
    }
}

#[test]
fn settings_change_what_is_read_and_nothing_else() {
    let of = |mode, text| normalise(Dialect::Mysql(mode), text).map(|normal| normal.fingerprint);
    assert_eq!(of(SqlMode::DEFAULT, r#"select "a", 'it\'s'"#).unwrap(), "select ?, ...");
    assert_eq!(of(ANSI, r#"select "a", "b c", "Status", 'it''s'"#).unwrap(), "select a, `b c`, status, ?");
    assert_eq!(of(PLAIN, r"select 'C:\', a from t").unwrap(), "select ?, a from t");
    assert_eq!(of(SqlMode::DEFAULT, r"select 'C:\', a from t"), Err(Refused::Ambiguous));
    let maria = SqlMode::of("", "11.8.6-MariaDB");
    let text = "select /*!50701 a, */ /*M!100100 b, */ /*!120000 c, */ 1";
    assert_eq!(of(maria, text).unwrap(), "select b, ?");
    assert_eq!(of(SqlMode::of("", "8.4.4"), text).unwrap(), "select a, ?");
    let digest = |mode| normalise(Dialect::Mysql(mode), "select a from t where b = 'x'").unwrap().digest;
    assert_eq!(digest(ANSI), digest(maria));
    assert_ne!(digest(ANSI), normalise(Dialect::Postgres, "select a from t where b = 'x'").unwrap().digest);
    // Findings and history on disk are keyed by this: it may never change.
    assert_eq!(digest(PLAIN).to_string(), "e0335d0035abaa1b");
}

#[test]
fn digests_that_were_cut_are_beginnings() {
    for text in [
        "SELECT `a` FROM `t` WHERE `b` = ? AND ...",
        "SELECT `a` FROM `t` WHERE `b` = ? AND `c",
        "SELECT `a` FROM `t` WHERE `b` = ? AND /* , ",
        "select a from t where b = 1 and 'x",
        "select a from t where b = 1 and 0x",
        "select a from t where b = 1 and 1e",
    ] {
        let normal = normalise(Dialect::MYSQL, text).unwrap();
        let got = (normal.fingerprint.as_str(), normal.truncated, normal.key());
        assert_eq!(got, ("select a from t where b = ? and", true, None), "{text}");
    }
    assert!(normalise(Dialect::MYSQL, "SELECT ? , ...").unwrap().truncated);
    assert!(!normalise(Dialect::MYSQL, "SELECT ?, ...").unwrap().truncated);
    assert!(normalise(Dialect::MYSQL, "select /*!50000 a").unwrap().truncated);
}

#[test]
fn refusals() {
    for (text, why) in [
        ("", Refused::Empty),
        ("-- x", Refused::Empty),
        ("select 1; select 2", Refused::Several),
        ("select 'it\\'s', 'x", Refused::Ambiguous),
        ("select f('it\\'s', a", Refused::Ambiguous),
        ("select 'C:\\', kanari, 'x'", Refused::Ambiguous),
        ("select 'C:\\' kanari", Refused::Ambiguous),
        ("select 0x12kanari, 1", Refused::Unreadable),
        ("select 1.5kanari, 1", Refused::Unreadable),
        ("select $$kanari$$", Refused::Unreadable),
        ("select a \0", Refused::Unreadable),
        ("select a[1]", Refused::Unreadable),
        ("select a \\ b", Refused::Unreadable),
    ] {
        assert_eq!(normalise(Dialect::MYSQL, text), Err(why), "{text}");
    }
    assert_eq!(normalise_cut(Dialect::MYSQL, "select 'it\\'s', a from t"), Err(Refused::Ambiguous));
}

#[test]
fn other_statements_have_other_digests() {
    let texts = [
        "select a",
        "select A",
        "select `a b`",
        "select a b",
        "select a.b",
        "select a, b",
        "select a - b",
        "select - b",
        "select a is null",
        "select a = null",
        "select true",
        "select 1",
        "select 1, 2",
        "select (1)",
        "select (1, 2)",
        "select a - 1",
        "select a || 1",
        "select a && 1",
        "select @x",
        "select @@x",
        "select a in (1)",
        "select a in (b)",
        "select a not in (1)",
        "select f(1)",
        "select f(1, 2)",
        "insert into t values (1)",
        "insert into t values (1, 2)",
        "replace into t values (1)",
        "insert into t values (default)",
        "table t",
        "select a from t1",
        "select a from t2",
        "select now()",
        "select now",
        "begin",
        "commit",
    ];
    let digests: std::collections::BTreeSet<_> =
        texts.map(|text| normalise(Dialect::MYSQL, text).unwrap().digest).into();
    assert_eq!(digests.len(), texts.len());
}
