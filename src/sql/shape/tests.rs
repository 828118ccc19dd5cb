use super::*;

fn pg(text: &str) -> Shape {
    read(Dialect::Postgres, text)
}

fn my(text: &str) -> Shape {
    read(Dialect::MYSQL, text)
}

/// `table.column role`, in the order of the text; `?` for a table that nobody can tell.
fn uses(shape: &Shape) -> Vec<String> {
    let table = |place: Option<usize>| {
        let table = place.and_then(|place| shape.tables.get(place));
        table.map_or("?", |table| table.alias.as_deref().unwrap_or(&table.name))
    };
    let said = |used: &Use| {
        let role = match &used.role {
            Role::Join { table: other, column } => format!("join {}.{column}", table(*other)),
            Role::Sort { descending: true } => "sort desc".to_owned(),
            Role::Sort { .. } => "sort".to_owned(),
            role => format!("{role:?}").to_lowercase(),
        };
        let wrapped: Vec<String> = used.wrapped.iter().map(|wrap| format!(" {wrap:?}")).collect();
        let or = if used.under_or { " or" } else { "" };
        format!("{}.{} {role}{}{or}", table(used.table), used.column, wrapped.concat())
    };
    shape.uses.iter().map(said).collect()
}

fn tables(shape: &Shape) -> Vec<String> {
    let said = |table: &Table| {
        let schema = table.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
        format!("{schema}{}{}", table.name, if table.written { "!" } else { "" })
    };
    shape.tables.iter().map(said).collect()
}

/// Texts that both dialects read the same way, and what is done with their columns.
const USES: &[(&str, &[&str])] = &[
    (
        "select a from t where a = ? and b > ? and c in (?) and d like ? and e is null",
        &["t.a equal", "t.b range", "t.c in", "t.d like", "t.e null"],
    ),
    (
        "select a from t where ? = a and not (b = ?) and c not in (?) and d between ? and ? and e != ?",
        &["t.a equal", "t.b unlike", "t.c unlike", "t.d range", "t.e unlike"],
    ),
    (
        "select a from t where (a, b) in ((?, ?)) and (c, d) = (?, ?)",
        &["t.a in", "t.b in", "t.c equal", "t.d equal"],
    ),
    (
        "select * from t x join u y on x.id = y.t_id and y.k = ? where y.z >= x.w",
        &["x.id join y.t_id", "y.t_id join x.id", "y.k equal", "y.z join x.w", "x.w join y.z"],
    ),
    (
        "select * from t left join u using (id) where c = ?",
        &["t.id join u.id", "u.id join t.id", "?.c equal"],
    ),
    (
        "select * from t where lower(a) = ? and cast(b as date) = ? and c + ? > ? and f(d, e) = ?",
        &[
            "t.a equal Function(\"lower\")",
            "t.b equal Cast(\"date\")",
            "t.c range Operator(\"+\")",
            "t.d other",
            "t.e other",
        ],
    ),
    ("select * from t where a = ? or b = ?", &["t.a equal or", "t.b equal or"]),
    (
        "select * from t where active and not gone order by a, b desc limit ?",
        &["t.active truth", "t.gone truth", "t.a sort", "t.b sort desc"],
    ),
    (
        "select a as k, count(*) n from t group by k, lower(b) order by n desc, t.a",
        &["t.a group", "t.b group Function(\"lower\")", "t.a sort"],
    ),
    (
        "select sum(case when a = ? then b else c end) from t where d = case when e = ? then ? else ? end",
        &["t.d equal"],
    ),
    (
        "select * from o where exists (select ? from i where i.k = o.k and i.x = ?) and a = (select max(b) from i)",
        &["i.k join o.k", "o.k join i.k", "i.x equal", "o.a equal"],
    ),
    ("update t set a = ?, b = b + ? where id = ?", &["t.a assigned", "t.b assigned", "t.id equal"]),
    ("delete from t where a < ?", &["t.a range"]),
    ("with x as (select * from t where a = ?) select * from x where x.b = ?", &["t.a equal", "?.b equal"]),
    ("select * from (select a from t where b = ?) d where d.a = ?", &["t.b equal", "?.a equal"]),
    ("select a from t where b = ? union select c from u where d = ? order by a", &["t.b equal", "u.d equal"]),
    ("insert into t(a) select x from u where y = ?", &["u.y equal"]),
    (
        "select * from t where a = any (select b from u where c = ?) and d is not true",
        &["u.c equal", "t.a equal", "t.d truth"],
    ),
];

#[test]
fn columns_have_their_roles() {
    for (text, expected) in USES {
        for shape in [pg(text), my(text)] {
            assert_eq!(uses(&shape), *expected, "{text}");
            assert!(shape.understood, "{text}");
        }
    }
}

#[test]
fn postgres_has_more() {
    for (text, expected) in [
        (
            "select * from t where a::text ilike ? and b ~ ? and c @> ? and d ? ?",
            vec!["t.a like Cast(\"text\")", "t.b like", "t.c other", "t.d other"],
        ),
        ("select * from t where a = any(array[?]) and b = any (?)", vec!["t.a in", "t.b in"]),
        (
            "select * from t where a operator(pg_catalog.=) ? and b is not distinct from ?",
            vec!["t.a equal", "t.b equal"],
        ),
        (
            "select * from t where a collate \"C\" < ? and b at time zone ? > ?",
            vec!["t.a range Collation(\"C\")", "t.b range Operator(\"at time zone\")"],
        ),
        (
            "select * from only t tablesample bernoulli(?) where a > timestamp with time zone ? - interval ?",
            vec!["t.a range"],
        ),
        (
            "select * from t where (a).b = ? and c[?] = ? and ((select ?) + ?) > d",
            vec!["t.c equal Operator(\"[]\")", "t.d range"],
        ),
        (
            "insert into t(a) values (?) on conflict(a) do update set b = excluded.b where t.c < ?",
            vec!["t.b assigned"],
        ),
        (
            "merge into t using u on t.id = u.id when matched and u.x then update set a = u.a when not matched then insert (id) values (u.id)",
            vec!["t.id join u.id", "u.id join t.id", "t.a assigned"],
        ),
    ] {
        let shape = pg(text);
        assert_eq!(uses(&shape), expected, "{text}");
        assert!(shape.understood, "{text}");
    }
}

#[test]
fn tables_are_found_wherever_they_stand() {
    for (text, expected) in [
        (
            "select * from a.b, c d join (e cross join f) on ?, lateral (select * from g) h, fn(?) i",
            "a.b c e f g",
        ),
        ("select (select x from a), array(select y from b) from c where z in (select z from d)", "a b c d"),
        (
            "with r as (select * from a), s as (insert into b select * from r returning *) select * from s, r",
            "a b!",
        ),
        ("(select * from a) union all ((select * from b) except select * from c) order by ?", "a b c"),
        ("insert into s.a as x (b) values ((select c from d)) returning *", "s.a! d"),
        ("update only a x set b = ? from c where x.d = c.d", "a! c"),
        ("delete from a using b where a.c = b.c", "a! b"),
        ("table a", "a"),
        (
            "select * from rows from (fn(?), fn(?)) with ordinality as x(a, b), generate_series(?, ?) g(n), a",
            "a",
        ),
        ("select count(*) filter (where x > (select y from b)) over (partition by z) from a", "b a"),
    ] {
        let shape = pg(text);
        assert_eq!(tables(&shape).join(" "), expected, "{text}");
        assert!(shape.understood, "{text}");
    }
    for (text, expected) in [
        ("delete a, b from a join b on a.x = b.x join c on b.y = c.y", "a! b! c"),
        ("delete from a using a join b on a.x = b.x", "a! b"),
        ("update a join b on a.x = b.x set b.y = ?", "a! b"),
        (
            "select * from a use index for join (x, y) straight_join b partition(p0) force index (z) where c = ?",
            "a b",
        ),
        ("replace into a set b = ?", "a!"),
        ("insert ignore into d.a(b) value (?) on duplicate key update b = values (b), c = ?", "d.a!"),
        ("select ? from dual", ""),
        ("select * from a natural left join { oj b left join c on b.x = c.x } limit ?, ...", "a b c"),
    ] {
        let shape = my(text);
        assert_eq!(tables(&shape).join(" "), expected, "{text}");
        assert!(shape.understood, "{text}");
    }
}

#[test]
fn digest_texts_are_read_as_they_are() {
    let shape = my(
        "SELECT `o` . * FROM `shop` . `Orders` `o` WHERE `o` . `id` IN (...) AND `o` . `d` > NOW ( ) - INTERVAL ? SQL_TSI_DAY ORDER BY `o` . `d` DESC LIMIT ?, ...",
    );
    assert_eq!(tables(&shape), ["shop.Orders"]);
    assert_eq!(uses(&shape), ["o.id in", "o.d range", "o.d sort desc"]);
    assert!(shape.understood && shape.star && shape.limit && shape.offset);
    for text in [
        "SELECT ? AS ?, ... AS ?, ... AS `c d` , ? `e` FROM `t`",
        "SELECT `a` FROM `t` WHERE MATCH ( `c` ) AGAINST ( ? IN BOOLEAN MODE )",
    ] {
        let shape = my(text);
        assert!(shape.understood && tables(&shape) == ["t"], "{text}");
    }
}

#[test]
fn what_a_statement_is_known_for() {
    let shape = pg(
        "select distinct count(*), max(a) from t where b not in (select c from u) for update limit ? offset ?",
    );
    assert!(
        shape.distinct
            && shape.counts_rows
            && shape.not_in == [NotIn { table: 1, column: "c".into() }]
            && shape.locks_rows
            && shape.limit
            && shape.offset
    );
    assert_eq!(shape.aggregates, ["count", "max"]);
    assert!(!shape.star && !shape.correlated && !shape.or_across_columns);
    // Only the outermost query decides.
    let shape = pg("select a from (select *, count(*) from t limit ?) x");
    assert!(!shape.star && !shape.limit && shape.aggregates.is_empty());
    assert!(pg("select * from t where a = ? or b > ?").or_across_columns);
    assert!(!pg("select * from t where a = ? or a > ?").or_across_columns);
    assert!(pg("select * from t where a in (select b from u where u.c = t.c)").correlated);
    assert!(!pg("select * from t where a in (select b from u where u.c = ?)").correlated);
    let verbs = [
        "select ?",
        "with a as (select ?) delete from t",
        "replace into t values (?)",
        "values (?)",
        "set x = ?",
    ];
    let read = verbs.map(|text| my(text).verb);
    assert_eq!(read, [Some(Verb::Select), Some(Verb::Delete), Some(Verb::Replace), Some(Verb::Values), None]);
}

#[test]
fn what_must_not_be_among_the_results_of_a_query() {
    let denied = |text: &str| -> Vec<String> {
        let shape = pg(text);
        assert!(shape.understood, "{text}");
        shape.not_in.iter().map(|not| format!("{}.{}", shape.tables[not.table].name, not.column)).collect()
    };
    let nothing: [&str; 0] = [];
    for text in [
        "select a from t where a not in (select b from u)",
        "select a from t where x = ? and a not in ((select distinct u.b as c from u where u.d in (select e from v)))",
        "select a from t where exists (select ? from s where s.a not in (select b from u order by c limit ?))",
        "delete from t where (x = ? or y = ?) and a not in (select b from u)",
        "update t set x = ? where a not in (select b from u) and (x = ? or y = ?)",
    ] {
        assert_eq!(denied(text), ["u.b"], "{text}");
    }
    for text in [
        "select a from t where a not in (select max(b) from u)",
        "select a from t where a not in (select coalesce(b, ?) from u)",
        "select a from t where a not in (select b from u union select c from v)",
        "select a from t where a not in (values (?), (?))",
        "select a from t where a not in (select t.x from u)",
        "select a from t where (a, c) not in (select b, d from u)",
        "select a from t where x = ? or a not in (select b from u)",
        "select a from t where not (a not in (select b from u))",
        "select a not in (select b from u) from t",
        "select a from t where a in (select b from u)",
        "select a from t where a not in (select b from (select b from u) x)",
    ] {
        assert_eq!(denied(text), nothing, "{text}");
    }
    assert_eq!(
        denied("select a from t where a not in (select b from u) and c not in (select d from v)"),
        ["u.b", "v.d"]
    );
}

#[test]
fn which_columns_are_looked_up_for_each_row_of_a_query_around() {
    let bound = |text: &str| -> Vec<String> {
        let shape = pg(text);
        assert!(shape.understood, "{text}");
        let bound = shape.uses.iter().filter(|used| used.correlated);
        bound.map(|used| format!("{}.{}", shape.tables[used.table.unwrap()].name, used.column)).collect()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(bound("select (select max(n) from l where l.o = o.id) from o"), ["l.o"]);
    assert_eq!(bound("select * from o where n > (select avg(n) from l where o = o.id and k = ?)"), ["l.o"]);
    assert_eq!(
        bound("select * from o x where exists (select ? from l where x.id = l.o and l.k = l.m)"),
        ["l.o"]
    );
    assert_eq!(bound("select * from o join l on l.o = o.id"), nothing);
    assert_eq!(bound("select * from o where id in (select o from l where k = ?)"), nothing);
}

#[test]
fn a_text_cut_short_gives_what_was_there() {
    let text = "select * from s.t x join u on x.a = u.a where x.b = ? and u.c in (select d from v where e > ?) order by x.f limit ?";
    let whole = pg(text);
    assert!(whole.understood);
    for end in 0..text.len() {
        let cut = pg(&text[..end]);
        assert!(whole.uses.len() >= cut.uses.len());
        if end > text.find("where").unwrap() {
            assert_eq!(tables(&cut)[..2], ["s.t", "u"], "{}", &text[..end]);
            assert_eq!(cut.verb, Some(Verb::Select));
        }
    }
    assert!(!pg("select a from t where b = 'x").understood);
}

#[test]
fn nothing_makes_it_panic_or_take_long() {
    let deep = |unit: &str, count: usize| format!("select {}", unit.repeat(count));
    for unit in [
        "(",
        "not ",
        "- ",
        "case ",
        "f(",
        "[",
        "(select ",
        "a in (",
        "a and ",
        "a or ",
        "exists (",
        "a between ",
        "x.",
        "::int",
        "@",
        "union select ",
        "with a as (",
        "from (",
        ", lateral (",
        "((select ?) + ",
        "a = any (",
        "cast(",
        "interval ",
        "on ",
        "join t ",
        "distinct ",
        "binary ",
        "operator(+) ",
        "collation for ",
        "from only (",
        "{ fn ",
        "interval not ",
        "select (",
    ] {
        for shape in [pg(&deep(unit, 20_000)), my(&deep(unit, 20_000))] {
            assert!(shape.uses.len() <= MAX_USES && shape.tables.len() <= MAX_TABLES);
        }
    }
}

/// What is nested deeper than we follow is passed over, and the end is reached.
#[test]
fn no_depth_holds_it_up() {
    for piece in
        ["exists (select 1 from t where ", "f((select g(", "(select (", "a in (select ", "with x as (select "]
    {
        for end in ["", "1", ")"] {
            let text = format!("select * from t where {}{end}", piece.repeat(300));
            assert!(!pg(&text).understood, "{piece}");
            assert!(!read(Dialect::MYSQL, &text).understood, "{piece}");
        }
    }
}
