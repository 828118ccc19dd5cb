//! What must be equal, what must differ, and that no literal ever comes out.

use super::Dialect::Postgres;
use super::*;

fn fp(text: &str) -> String {
    normalise(Postgres, text).unwrap_or_else(|why| panic!("{text}: {why}")).fingerprint
}

/// Texts and their fingerprint.
const FORMS: &[(&str, &str)] = &[
    ("SELECT 1", "select ?"),
    ("select $1", "select ?"),
    ("select ?", "select ?"),
    ("select * from T where A=5 ;", "select * from t where a = ?"),
    ("select * from t where a=$1", "select * from t where a = ?"),
    ("select * from t where a=?", "select * from t where a = ?"),
    ("select * from t where a=?and b<>?", "select * from t where a = ? and b <> ?"),
    ("select 1.5, .5, 5., 1e10, 1.5E-3, 1_000.5", "select ?, ?, ?, ?, ?, ?"),
    ("select 0xFF, 0o17, 0b101, 0xdead_beef", "select ?, ?, ?, ?"),
    (
        "select 'a', 'it''s', E'it\\'s', e'\\\\', B'1', X'1f', N'n', U&'\\0441'",
        "select ?, ?, ?, ?, ?, ?, ?, ?",
    ),
    ("select U&'!0441' UESCAPE '!', 1", "select ?, ?"),
    ("select $1 UESCAPE '!', $2", "select ?, ?"),
    ("select $$a'b$$, $x$ $$ $y$ $x$, $é$a$é$", "select ?, ?, ?"),
    ("select 'a' -- c\n 'b', 1", "select ?, ?"),
    ("select -1, - 1, +1, a-1, a -1, a - -1, (-1)", "select ?, ?, + ?, a - ?, a - ?, a - ?, (?)"),
    ("select -$1, -$2, +$3, a-$4, a -$5, a - $6, ($7)", "select ?, ?, + ?, a - ?, a - ?, a - ?, (?)"),
    ("select a*-1, 2-1, x[1]-1, f(x)-1, \"a\"-1", "select a * ?, ? - ?, x[?] - ?, f(x) - ?, \"a\" - ?"),
    ("select case when a then -1 else -2 end -3", "select case when a then ? else ? end - ?"),
    ("select t.limit -1 from t limit -1", "select t.limit - ? from t limit ?"),
    ("select date '2020-01-01' - 1", "select date ? - ?"),
    ("select now()-interval '1 day'", "select now() - interval ?"),
    ("select now() - interval $1", "select now() - interval ?"),
    ("select interval '1' day - '1'", "select interval ? day - ?"),
    (
        "select true, FALSE, null, a is null, b is not null, c is true",
        "select ?, ?, ?, a is null, b is not null, c is true",
    ),
    (
        "select $1, $2, $3, a is null, b is not null, c is true",
        "select ?, ?, ?, a is null, b is not null, c is true",
    ),
    ("update t set a = NULL where not true", "update t set a = ? where not ?"),
    ("select * from t where a in (1,2,3)", "select * from t where a in (?)"),
    ("select * from t where a in (1)", "select * from t where a in (?)"),
    ("select * from t where a in ($1 /*, ... */)", "select * from t where a in (?)"),
    ("select * from t where a in (-1, +2)", "select * from t where a in (?, + ?)"),
    ("select * from t where a NOT IN('a'::text, 'b'::varchar(5))", "select * from t where a not in (?)"),
    ("select * from t where a in (date '1', date '2')", "select * from t where a in (?)"),
    ("select * from t where a in (cast('1' as int), null)", "select * from t where a in (?)"),
    ("select * from t where a in (((1)), (2::int))", "select * from t where a in (?)"),
    ("select * from t where a in (timestamp with time zone '1')", "select * from t where a in (?)"),
    ("select * from t where a in (1, b, 2, 3)", "select * from t where a in (?, b, ?)"),
    ("select * from t where (a,b) in ((1,2),(3,4))", "select * from t where (a, b) in ((?, ?))"),
    ("select * from t where a in (select 1, 2)", "select * from t where a in (select ?, ?)"),
    (
        "select * from t where a in (lower('x'), lower('y'))",
        "select * from t where a in (lower(?), lower(?))",
    ),
    ("select array[1,2,3], array[[1,2],[3,4]], a[1:2]", "select array[?], array[[?]], a[? : ?]"),
    ("select * from t where a = any(array[$1 /*, ... */])", "select * from t where a = any (array[?])"),
    ("insert into t(a,b) values (1,'x'),(2,'y'),(3,null)", "insert into t(a, b) values (?, ?)"),
    (
        "insert into t values (1),(2) on conflict do nothing",
        "insert into t values (?) on conflict do nothing",
    ),
    (
        "insert into t values (1,now()),(2,now()),(default,now())",
        "insert into t values (?, now()), (default, now())",
    ),
    ("select * from (values (1,2),(3,4)) as v(a,b)", "select * from (values (?, ?)) as v(a, b)"),
    ("values (1),(2)", "values (?)"),
    ("select f(1,2,3)", "select f(?, ?, ?)"),
    ("select 1::numeric(10,2)", "select ?::numeric(?, ?)"),
    ("select A.\"B\" , \"b\"\"c\", U&\"d\"", "select a.\"B\", \"b\"\"c\", u&\"d\""),
    ("/* tag='x' */ select/* /* 'x' */ */a--b\nfrom t", "select a from t"),
    ("select data ? 'k', data ?| array['a'], data @? '$.x'", "select data ? ?, data ?| array[?], data @? ?"),
    ("select data ? $1, data ?| array[$2], data @? $3", "select data ? ?, data ?| array[?], data @? ?"),
    ("select a->>'x', b #> '{a}', c||'d', @-5, 2^3", "select a ->> ?, b #> ?, c || ?, @- ?, ? ^ ?"),
    ("select extract(year from x), extract($1 from x)", "select extract(? from x), extract(? from x)"),
    (
        "select normalize(a, NFC), a is not nfd normalized, nfc",
        "select normalize(a, ?), a is not ? normalized, nfc",
    ),
    ("select N$1, n'a', n$a", "select ?, ?, n$a"),
    ("select a from t limit all", "select a from t limit ?"),
    ("select a like 'x\\_%' escape '\\' , 'b'", "select a like ? escape ?, ?"),
    ("(select 1) union all (select 2)", "(select ?) union all (select ?)"),
    ("with x as (select 1) delete from x", "with x as (select ?) delete from x"),
    ("TABLE t", "table t"),
    (
        "merge into t using s on t.a=s.a when matched then delete",
        "merge into t using s on t.a = s.a when matched then delete",
    ),
    ("select Ünïcode, 'ß' from Täble", "select Ünïcode, ? from täble"),
    ("select 'C:\\\\', 1", "select ?, ?"),
    ("select a$b, x1 from t1", "select a$b, x1 from t1"),
    ("select count( * ) , t . * from t", "select count(*), t.* from t"),
    ("select 1 order by 1 fetch first 5 rows only", "select ? order by ? fetch first ? rows only"),
    ("select f(a => 1, b := 2)", "select f(a => ?, b := ?)"),
    ("create role x password 'S'", "create role"),
    ("CREATE OR REPLACE TEMP VIEW v as select 1", "create view"),
    ("create unique index concurrently i on t(a)", "create index"),
    ("alter default privileges grant all on tables to x", "alter default privileges"),
    ("create function f() returns int begin atomic select 1; select 2; end", "create function"),
    ("copy (select 'S') to stdout", "copy(select ?) to stdout"),
    (
        "COPY t (a) FROM PROGRAM 'S' WITH (format csv, null 'S')",
        "copy t(a) from program ? with (format csv, ?)",
    ),
    ("select '$1 = 'x'', 1", "select ?, ?"),
    ("explain analyze select 'S'", "explain"),
    ("rollback to savepoint x", "rollback to"),
    ("set x = 'it\\'s'", "set"),
    ("begin;", "begin"),
    ("S3cret 'x'", "utility"),
    ("5", "utility"),
];

#[test]
fn texts_have_the_fingerprint_in_the_table() {
    for (text, expected) in FORMS {
        assert_eq!(fp(text), *expected, "{text}");
    }
}

#[test]
fn a_fingerprint_is_its_own_fingerprint() {
    for (text, _) in FORMS {
        let first = normalise(Postgres, text).unwrap();
        if !matches!(first.class, Class::Utility(_)) {
            assert_eq!(normalise(Postgres, &first.fingerprint).unwrap(), first, "{text}");
        }
    }
}

#[test]
fn other_statements_have_other_digests() {
    let texts = [
        "select a",
        "select \"a\"",
        "select \"A\"",
        "select a b",
        "select ab",
        "select a.b",
        "select a, b",
        "select a - b",
        "select - b",
        "select a is null",
        "select a is not null",
        "select a = null",
        "select 1, 2",
        "select 1",
        "select (1)",
        "select +1",
        "select 1 + 1",
        "select a - 1",
        "select a || 1",
        "select a ? 'x'",
        "select a from t1",
        "select a from t2",
        "select a in (1)",
        "select a in (b)",
        "select a not in (1)",
        "select a in (1, b)",
        "select row(1, 2)",
        "insert into t values (1)",
        "insert into t values (1, 2)",
        "insert into t values (default)",
        "values (1)",
        "table t",
        "select a::int",
        "select 1::int",
        "select 1::bigint",
        "select date '1'",
        "begin",
        "commit",
    ];
    let digests: std::collections::BTreeSet<_> =
        texts.map(|text| normalise(Postgres, text).unwrap().digest).into();
    assert_eq!(digests.len(), texts.len());
}

#[test]
fn refusals() {
    for (text, why) in [
        ("", Refused::Empty),
        (" -- x", Refused::Empty),
        (" ; /* a", Refused::Empty),
        ("<insufficient privilege>", Refused::Hidden),
        ("select 1; select 2", Refused::Several),
        ("begin; select 'x'", Refused::Several),
        ("select 'it\\'s', 1", Refused::Ambiguous),
        ("select 'a\\''", Refused::Ambiguous),
        ("select * from t where a like 'x' escape '\\''x'", Refused::Ambiguous),
        ("select 12abc, 1", Refused::Unreadable),
        ("select $1and 1", Refused::Unreadable),
        ("select $x y$", Refused::Unreadable),
        ("select a \0", Refused::Unreadable),
        ("select {fn x()}", Refused::Unreadable),
        ("select \u{1}", Refused::Unreadable),
    ] {
        assert_eq!(normalise(Postgres, text), Err(why), "{text}");
    }
}

#[test]
fn a_cut_text_is_marked_and_never_wears_a_whole_digest() {
    for text in [
        "select a from t where b = 'x",
        "select a from t where b = $$x",
        "select a from t where b = /* x",
        "select a from t where b = 1e",
    ] {
        let cut = normalise(Postgres, text).unwrap();
        assert_eq!(
            (cut.fingerprint.as_str(), cut.truncated, cut.key()),
            ("select a from t where b =", true, None),
            "{text}"
        );
    }
    assert!(normalise(Postgres, "select f(a").unwrap().truncated);
    assert!(normalise_cut(Postgres, "create tab").unwrap().truncated);
    assert!(!normalise_cut(Postgres, "create table x (a in").unwrap().truncated);
    let whole = normalise(Postgres, "select a from").unwrap();
    let cut = normalise_cut(Postgres, "select a from tab").unwrap();
    assert_eq!(whole.fingerprint, cut.fingerprint);
    assert_ne!(whole.digest, cut.digest);
    assert_eq!(normalise_cut(Postgres, "select 1 + 12").unwrap().fingerprint, "select ? +");
    let long = format!("select a{}, b", " ".repeat(MAX_TEXT));
    assert!(normalise(Postgres, &long).unwrap().truncated);
}

/// Words and numbers that stand for secrets.
const CANARIES: &[&str] = &["kanari", "73577357", "4bad5eed", "pieps"];

const CAGES: &[&str] = &[
    "select 'kanari', a from t where b = 'pieps'",
    "select 'kanari''pieps''kanari', a",
    "select 'kanari' \n 'pieps' -- kanari\n 'kanari', a",
    "select E'kanari\\'pieps\\\\', a",
    "select E'\\\\\\'kanari' \n '\\'pieps', a",
    "select e'a''kanari\\'''",
    "select n'kanari', b'73577357', x'4bad5eed'",
    "select U&'kanari\\0041' uescape '!', a",
    "select u&'d!0061kanari' UESCAPE '!'",
    "select $$kanari$$, $a$pieps $$ kanari $b$ pieps$a$, a",
    "select $kanari$ x $kanari$, a",
    "select $_1é$kanari ' pieps$_1é$",
    "select 73577357, -73577357, 73577357.73577357, .73577357, 73577357e73577357, 1.73577357E+73577357",
    "select 0x4bad5eed, 0X4bad5eed, 0b73577357, 0o73577357, 7_73577357",
    "select a /* kanari /* pieps */ kanari */ from t -- kanari\n where b",
    "/*kanari='pieps'*/ select a -- 73577357",
    "select a from t where b in ('kanari', 'pieps', 73577357) and c = any('{kanari}')",
    "insert into t values ('kanari', 73577357), ('pieps', E'kanari'), (null, $$pieps$$)",
    "update t set a = 'kanari' where b like '%pie\\_ps%' escape '\\' and c = 'kanari'",
    "select 'kan\\'ari kanari', 'pieps\\'' , kanari''",
    "select 'C:\\kanari\\', 'pieps'",
    "select 'kanari\\\\', 'pieps'",
    "select '\\'' || 'kanari' || 'pieps'",
    "select U&'kanari\\', ' pieps ', 1",
    "select n'kanari\\' pieps', 2",
    "alter role kanari password 'pieps'",
    "create user kanari password E'pi\\'eps'",
    "set kanari.x = 'pieps'",
    "do $$ begin kanari('pieps') end $$",
    "copy (select 'kanari') to '/pieps\\'",
    "prepare kanari as select 'pieps'",
    "create table kanari as select 'pieps'",
    "explain select 'kanari'",
    "declare kanari cursor for select 'pieps'",
    "notify kanari, 'pieps'",
    "kanari pieps",
    "call kanari('pieps')",
    "comment on table x is 'kanari'",
    "select 1; select 'kanari'",
    "begin; update t set a = 'kanari'",
    "select 73577357kanari",
    "with x as (select 'kanari' as a) select * from x where a = 'pieps' limit 73577357",
    "merge into t using (values ('kanari', 1), ('pieps', 2)) s on true when matched then update set a = 'kanari'",
    "select interval '73577357 days', date 'kanari', point '(73577357,1)', 'kanari'::text, cast('pieps' as text)",
    "select a = 'kanari'::x || $t$pieps$t$::y, data ? 'kanari', data->>'pieps', array['kanari','pieps'], a[73577357]",
];

/// Everything that MySQL takes for a literal.
const MYSQL_CAGES: &[&str] = &[
    "select 'kanari', \"pieps\", a from t where b = 'pieps'",
    "select 'kanari''pieps''kanari', \"kanari\"\"pieps\", a",
    "select 'kanari\\'pieps\\\\', \"pieps\\\"kanari\", a",
    "select 'kanari' \n 'pieps' -- kanari\n \"kanari\", a # pieps",
    "select n'kanari', N'pieps', b'73577357', x'4bad5eed', X'4bad5eed', B'73577357'",
    "select _utf8mb4'kanari', _binary 'pieps', _latin1 0x4bad5eed, _utf8 x'4bad5eed' collate utf8_bin",
    "select 73577357, -73577357, 73577357.73577357, .73577357, 73577357e73577357, 1.73577357E+73577357",
    "select 0x4bad5eed, 0X4bad5eed, 0b73577357, 73577357.",
    "select a /* kanari /* pieps */ from t -- kanari\n where b # pieps\n and c",
    "/*kanari='pieps'*/ select a /*+ kanari(pieps) */ -- 73577357",
    "select /*!50000 'kanari', */ /*M!100100 \"pieps\", */ /*! 73577357, /* kanari */ */ a",
    "select @kanari, @'kanari pieps', @`kanari`, @\"pieps\", @a := 'kanari'",
    "select a from t where b in ('kanari', 'pieps', 73577357) and c in ((1, 'kanari'), (2, 'pieps'))",
    "insert into t values ('kanari', 73577357), ('pieps', \"kanari\"), (null, 'pieps')",
    "insert into t values ('it\\'s', 'kanari', 'C:\\\\pieps\\\\')",
    "insert into t values ('C:\\', 'kanari', 'pieps')",
    "insert into t values ('C:\\', ' kanari ', 'D:\\', ' pieps ')",
    "update t set a = 'C:\\', b = 'kanari', c = 'pieps'",
    "update t set a = 'kanari' where b like '%pie\\_ps%' escape '\\\\' and c = 'kanari'",
    "select {d 'kanari'}, date 'kanari', timestamp'pieps', interval '73577357' day",
    "select a -> '$.kanari', a ->> \"$.pieps\", match(a) against ('kanari' in boolean mode)",
    "create user kanari@'pieps' identified by 'kanari'",
    "alter user kanari identified with x as 'pieps' replace 'kanari'",
    "set password = 'kanari'",
    "set @kanari = 'pieps', global kanari = 'pieps'",
    "grant select on kanari.* to pieps",
    "change master to master_password = 'kanari'",
    "load data infile '/kanari' into table pieps",
    "prepare kanari from 'select pieps'",
    "create table kanari as select 'pieps'",
    "explain select 'kanari'",
    "call kanari('pieps')",
    "kanari pieps",
    "select 1; select 'kanari'",
    "with x as (select 'kanari' as a) select * from x where a = 'pieps' limit 73577357, 73577357",
];

fn assert_no_canary_escapes(dialect: Dialect, text: &str) {
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        for result in [normalise(dialect, &text[..end]), normalise_cut(dialect, &text[..end])] {
            let shown = format!("{result:?}");
            // Half a canary is as bad as a whole one.
            for canary in CANARIES {
                assert!(!shown.contains(&canary[..4]), "{canary} of {:?} in {shown}", &text[..end]);
            }
        }
    }
}

#[test]
fn no_canary_escapes_at_any_cut() {
    CAGES.iter().for_each(|text| assert_no_canary_escapes(Postgres, text));
    MYSQL_CAGES.iter().for_each(|text| assert_no_canary_escapes(Dialect::MYSQL, text));
}

/// A session may have chosen another setting than the one we were told.
#[test]
fn no_canary_escapes_where_backslashes_mean_something_else() {
    let plain = SqlMode { no_backslash_escapes: true, ..SqlMode::DEFAULT };
    MYSQL_CAGES.iter().for_each(|text| assert_no_canary_escapes(Dialect::Mysql(plain), text));
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn no_text_makes_it_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let bits = [
        "'", "\"", "$", "$$", "$a$", "\\", "/*", "*/", "--", "\n", "(", ")", "[", "]", ",", ";", ".", ":",
        "::", "?", "-", "+", "=", "<", "e'", "u&'", "U&\"", "1", "0x", "1e", "a", "é", " ", "in", "values",
        "select", "null", "is", "not", "array", "escape", "uescape", "extract", "limit", "all", "\0",
        "\u{7f}", "cast", "as", "interval", "@", "|", "~", "`", "`a`", "`in`", "#", "/*!", "/*+", "...",
        "?, ...", "(...)", "_utf8", "@@", "null", "Status", "x'", "&&",
    ];
    let dialects =
        [Postgres, Dialect::MYSQL, Dialect::Mysql(SqlMode { ansi_quotes: true, ..SqlMode::DEFAULT })];
    for round in 0..60_000 {
        let mut text = if round % 2 == 0 { "select ".to_owned() } else { String::new() };
        for _ in 0..xorshift(&mut state) % 24 {
            text.push_str(bits[(xorshift(&mut state) % bits.len() as u64) as usize]);
            if round % 3 == 0 {
                text.push(' ');
            }
        }
        let bytes: Vec<u8> = (0..xorshift(&mut state) % 40).map(|_| xorshift(&mut state) as u8).collect();
        for dialect in dialects {
            for first in [normalise(dialect, &text), normalise_cut(dialect, &text)].into_iter().flatten() {
                if !matches!(first.class, Class::Utility(_)) && !first.truncated {
                    let again = normalise(dialect, &first.fingerprint).map(|again| again.fingerprint);
                    assert_eq!(again.as_ref(), Ok(&first.fingerprint), "{text:?}");
                }
            }
            let _ = normalise(dialect, &String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn time_is_linear() {
    let begins = std::time::Instant::now();
    for unit in [
        "1,",
        "(",
        "[",
        "in (",
        "/*",
        "+-",
        "?",
        "'x' ",
        "a[1],",
        "((1),(1)),",
        "in (?::a(",
        "- ",
        "values (1),",
        "$a$",
        "''",
        "a ",
        "`a`",
        "_utf8 ",
        "/*! ",
        "?, ...",
        "(...),",
        "'\\'',",
        "@",
        "-",
    ] {
        let text = format!("select x in ({}", unit.repeat(MAX_TEXT / unit.len()));
        let _ = normalise(Postgres, &text);
        let _ = normalise(Dialect::MYSQL, &text);
    }
    // Seconds in a debug build; a square would take hours.
    assert!(begins.elapsed().as_secs() < 300, "{:?}", begins.elapsed());
}

#[test]
fn digests_are_stable_and_read_back() {
    let digest = Digest(0xab);
    assert_eq!(digest.to_string(), "00000000000000ab");
    assert_eq!("00000000000000ab".parse(), Ok(digest));
    let json = serde_json::to_string(&digest).unwrap();
    assert_eq!(json, "\"00000000000000ab\"");
    assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    // Findings and history on disk are keyed by this: it may never change.
    assert_eq!(normalise(Postgres, "select 1").unwrap().digest.to_string(), "9c30aa7561fdad8b");
    for bad in ["ab", "+0000000000000ab", "00000000000000abc", "zz000000000000ab"] {
        assert_eq!(bad.parse::<Digest>(), Err(BadDigest));
    }
}

#[test]
fn small_helpers() {
    assert!(is_ours("select 1 /* dbsonde */") && is_ours("select /* dbsonde beat */ 1"));
    assert!(!is_ours("select 1 /* dbsonde"));
    assert_eq!(shorten("select", 6), "select");
    assert_eq!(shorten("select é", 8), "selec…");
    assert_eq!(shorten("ééé", 4), "…");
    assert_eq!(shorten("select", 2), "");
}

#[test]
fn a_text_of_the_server_can_be_planned() {
    for (text, planned) in [
        ("select 1", "select 1"),
        (
            "/* page 7 */ select a.b\n from  t -- all\n where c IN ($1 /*, ... */)",
            "select a.b from t where c IN ($1 )",
        ),
        (
            "select now() - interval $1 from t where d > date $2",
            "select now() - $1::interval from t where d > $2::date",
        ),
        (
            "select date, interval from t where at > TIMESTAMP $1",
            "select date, interval from t where at > $1::timestamp",
        ),
        ("select \"a--b\" || '/* no */'", "select \"a--b\" || '/* no */'"),
    ] {
        assert_eq!(plannable(text).as_deref(), Ok(planned));
    }
    assert_eq!(plannable("select 'open"), Err(Refused::Unreadable));
}

#[test]
fn an_expression_of_a_plan_loses_its_values() {
    assert_eq!(
        without_literals(Postgres, "((o.id = $1) AND (s = 'hunter2'::text))").as_deref(),
        Some("((o.id = ?) and (s = ?::text))")
    );
    assert_eq!(without_literals(Postgres, "'open"), None);
    assert_eq!(without_literals(Postgres, &"x".repeat(3_000)), None);
}
