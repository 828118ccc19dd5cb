//! What YAML is understood, what is refused, and how long it takes.

use super::*;

fn map(text: &str) -> Vec<(String, Place, Node)> {
    match read(text).map(|node| node.value) {
        Ok(Value::Map(entries)) => entries,
        other => panic!("{other:?}"),
    }
}

fn texts(node: &Node) -> Vec<&str> {
    let Value::List(items) = &node.value else { panic!("{node:?}") };
    let text = |item: &'_ Node| matches!(&item.value, Value::Text(_));
    assert!(items.iter().all(text), "{items:?}");
    items.iter().filter_map(|i| if let Value::Text(t) = &i.value { Some(t.as_str()) } else { None }).collect()
}

#[test]
fn what_is_understood() {
    let text = "# a door\n---\ntls:\n  cert: |\n    -----BEGIN\n    ab==\n\n  sans: [a.b, 'c,d', \"e\\\"f\"] # some\n  \
                list:\n  - x\n  - \"y # z\"\n\nusers:\n    al: $2y$10$abc#d   # why\n    'bo b': ~\nempty: {}\n";
    let top = map(text);
    assert_eq!(top.iter().map(|(key, ..)| key.as_str()).collect::<Vec<_>>(), ["tls", "users", "empty"]);
    let Value::Map(tls) = &top[0].2.value else { panic!() };
    assert_eq!(tls[0].2.value, Value::Text("-----BEGIN\nab==\n".to_owned()));
    assert_eq!(texts(&tls[1].2), ["a.b", "c,d", "e\"f"]);
    assert_eq!(texts(&tls[2].2), ["x", "y # z"]);
    let Value::Map(users) = &top[1].2.value else { panic!() };
    assert_eq!(users[0].2.value, Value::Text("$2y$10$abc#d".to_owned()));
    assert_eq!(users[0].1, Place { line: 14, column: 5 });
    assert_eq!((users[1].0.as_str(), &users[1].2.value), ("bo b", &Value::Nothing));
    assert_eq!(read("").unwrap().value, Value::Nothing);
}

#[test]
fn maps_within_lists() {
    let text = "- targets:\n  - postgres://a@b/c\n  - 'd'\n  labels: {team: shop, x: \"1, 2\"} # why\n- labels:\n    y: z\n\
                -   targets: [e]\n    labels: {}\n- - f\n  - g\n- h\n";
    let Value::List(items) = read(text).unwrap().value else { panic!() };
    let map = |item: &'_ Node| match &item.value {
        Value::Map(entries) => entries.clone(),
        other => panic!("{other:?}"),
    };
    let maps: Vec<_> = items.iter().take(3).map(map).collect();
    assert_eq!(texts(&maps[0][0].2), ["postgres://a@b/c", "d"]);
    let Value::Map(labels) = &maps[0][1].2.value else { panic!() };
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!((labels[0].0.as_str(), &labels[0].2.value), ("team", &text("shop")));
    assert_eq!((labels[1].0.as_str(), &labels[1].2.value), ("x", &text("1, 2")));
    assert_eq!(labels[1].2.place, Place { line: 4, column: 27 });
    assert_eq!((maps[1].len(), maps[2].len()), (1, 2));
    assert_eq!(maps[2][1].2.value, Value::Map(vec![]));
    assert_eq!(texts(&items[3]), ["f", "g"]);
    assert_eq!(items[4].value, text("h"));
}

#[test]
fn what_is_refused_by_its_line() {
    for (text, line) in [
        ("a: 1\na: 2", 2),
        ("a: &x 1", 1),
        ("a: *x", 1),
        ("a: !!str x", 1),
        ("a: {b: c", 1),
        ("a: {b}", 1),
        ("a: {b: c, b: d}", 1),
        ("a: {b: {c: d}}", 1),
        ("a: {b: c} d", 1),
        ("- [a: b]", 1),
        ("- a: b\n c: d", 2),
        ("- a: b\n  a: c", 2),
        ("a:\n\tb: c", 2),
        ("a:\n    b: c\n  d: e", 3),
        ("a: [b,\n c]", 1),
        ("a: b: c", 1),
        ("a: \"b", 1),
        ("a: 'b' c", 1),
        ("a", 1),
        ("a: >\n  b", 1),
        ("a: b\n---\nc: d", 2),
        ("? a", 1),
        ("- a\nb: c", 2),
    ] {
        match read(text) {
            Err((place, _)) => assert_eq!(place.line, line, "{text:?}"),
            Ok(node) => panic!("{text:?} is {node:?}"),
        }
    }
}

#[test]
fn what_is_long_takes_time_in_proportion() {
    let keys: Vec<String> = (0..60_000).map(|nth| format!("k{nth}")).collect();
    let list = format!("- [{}]", keys.join(", "));
    let map = format!("- {{{}}}", keys.iter().map(|key| format!("{key}: ä")).collect::<Vec<_>>().join(", "));
    let lines = keys.iter().map(|key| format!("{key}: ä\n")).collect::<String>();
    for text in [&list, &map, &lines] {
        let began = std::time::Instant::now();
        assert!(read(text).is_ok());
        let took = began.elapsed();
        // A tenth of a second. In proportion to the square it would be many times the limit.
        assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    }
    let Value::List(items) = read(&map).unwrap().value else { panic!() };
    let Value::Map(entries) = &items[0].value else { panic!() };
    let (last, place, node) = entries.last().unwrap();
    let chars = map.chars().count();
    assert_eq!((last.as_str(), place.column, node.place.column), ("k59999", chars - 9, chars - 1));
}

#[test]
fn mangled_documents() {
    let corpus: [&[u8]; 3] = [
        b"tls:\n  cert: |\n    -----BEGIN\n    ab==\n  sans: [a.b, 'c,d', \"e\\\"f\"] # some\nusers:\n  al: $2y$10$abc#d\n",
        b"- targets:\n  - postgres://a@b/c\n  labels: {team: shop, x: \"1, 2\"}\n- - f\n  - g\n",
        b"---\na: ~\nb: {}\n'c d': >-\n  e\n",
    ];
    crate::fuzz::fuzz("YAML", &corpus, |bytes| drop(read(&String::from_utf8_lossy(bytes))));
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[ \\-:a-c\\[\\]{}'\"|#\\\\\\n,&\t]{0,60}") {
        let _ = read(&text);
    }
}
