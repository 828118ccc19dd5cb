//! The SQL that fixes are made of: quoted names, bounded waits for locks, one deed a function.

pub mod mysql;

use crate::model::{Fix, Flavour, Index, Setting};

/// A name as SQL writes it, whatever is in it.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub fn literal(text: &str) -> String {
    // With standard_conforming_strings a backslash is only a backslash; E'' says what it means under either setting.
    if text.contains('\\') {
        return format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    }
    format!("'{}'", text.replace('\'', "''"))
}

pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// Everybody who comes after us in the queue for a lock waits as long as we do.
pub fn patience(seconds: u32) -> String {
    format!("SET lock_timeout = '{seconds}s';")
}

/// What is done CONCURRENTLY stands in nobody's way while it waits, and waits for every older transaction on its way: cut
/// short there it leaves an invalid index behind, which every write maintains.
pub const UNHURRIED: &str = "SET lock_timeout = 0;";

/// `CREATE INDEX …` as the server wrote it, without holding up writers while it is built.
pub fn concurrently(definition: &str) -> String {
    let definition = definition.trim_end_matches(';');
    // Only the head: a name or a condition may hold the same words.
    let heads = ["CREATE UNIQUE INDEX ", "CREATE INDEX "];
    let built =
        heads.iter().find_map(|head| Some(format!("{head}CONCURRENTLY {}", definition.strip_prefix(head)?)));
    format!("{};", built.unwrap_or_else(|| definition.to_owned()))
}

/// Takes an index away without holding up readers or writers; the way back builds it again.
pub fn drop_index(flavour: Flavour, index: &Index, definition: &str, caution: &str) -> Fix {
    if flavour != Flavour::Postgres {
        return mysql::drop_index(flavour, index, definition, caution);
    }
    let name = qualified(&index.schema, &index.index);
    Fix {
        sql: vec![UNHURRIED.into(), format!("DROP INDEX CONCURRENTLY {name};")],
        rollback: vec![concurrently(definition)],
        lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
        blocks: "other schema changes and VACUUM of this table; no reads, no writes".into(),
        transactional: false,
        caution: format!(
            "{caution} It waits for every older transaction that has to do with the table. Building it again takes a read of the \
             whole table."
        ),
    }
}

/// Vacuums a table and counts its statistics anew, beside whoever reads and writes it.
pub fn vacuum(schema: &str, table: &str, caution: &str) -> Fix {
    Fix {
        sql: vec![patience(2), format!("VACUUM (ANALYZE) {};", qualified(schema, table))],
        rollback: Vec::new(),
        lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
        blocks: "other schema changes of this table; no reads, no writes".into(),
        transactional: false,
        caution: format!("{caution} There is nothing to take back."),
    }
}

/// Ends a session; what its transaction did is rolled back.
pub fn end_session(flavour: Flavour, pid: i64) -> String {
    match flavour {
        Flavour::Postgres => format!("SELECT pg_terminate_backend({pid});"),
        Flavour::Mysql | Flavour::Mariadb => format!("KILL {pid};"),
    }
}

/// Ends what a session runs, and leaves it the session.
pub fn cancel(flavour: Flavour, pid: i64) -> String {
    match flavour {
        Flavour::Postgres => format!("SELECT pg_cancel_backend({pid});"),
        Flavour::Mysql | Flavour::Mariadb => format!("KILL QUERY {pid};"),
    }
}

/// Starts or stops one thread of a replica.
pub fn replica(flavour: Flavour, verb: &str, channel: &str, thread: &str) -> String {
    match (flavour, verb) {
        (Flavour::Postgres, "START") => "SELECT pg_wal_replay_resume();".to_owned(),
        (Flavour::Postgres, _) => "SELECT pg_wal_replay_pause();".to_owned(),
        (Flavour::Mysql | Flavour::Mariadb, _) => mysql::replica(flavour, verb, channel, thread),
    }
}

/// Sets a setting for the whole server. None where what the command line says would win, or where it takes a restart.
pub fn setting_of_server(setting: &Setting, value: &str) -> Option<Fix> {
    let at_once = matches!(&*setting.context, "sighup" | "superuser" | "user");
    let name = &setting.setting;
    let reload = || "SELECT pg_reload_conf();".to_owned();
    let former = setting.value.as_deref()?;
    (at_once && &*setting.source != "command line").then(|| Fix {
        sql: vec![format!("ALTER SYSTEM SET {name} = {};", literal(value)), reload()],
        rollback: vec![format!("ALTER SYSTEM SET {name} = {};", literal(former)), reload()],
        lock: String::new(),
        blocks: "nobody".into(),
        transactional: false,
        caution: "Written to postgresql.auto.conf, which wins over postgresql.conf: change it there as well, if that is where \
                  you keep it."
            .into(),
    })
}

/// Longer names are cut by the server, and two cut ones may be the same.
const LONGEST_NAME: usize = 63;

/// Builds an index without holding up readers or writers, under a name that nobody has yet.
pub fn create_index(schema: &str, table: &str, columns: &[&str], is_taken: impl Fn(&str) -> bool) -> Fix {
    let quoted: Vec<String> = columns.iter().map(|column| identifier(column)).collect();
    create_index_on(schema, table, "btree", &columns.join("_"), &quoted, is_taken)
}

/// The same on whatever it shall be searched by, as SQL, by any method.
pub fn create_index_on(
    schema: &str,
    table: &str,
    method: &str,
    named_for: &str,
    keys: &[String],
    is_taken: impl Fn(&str) -> bool,
) -> Fix {
    let name = free_name(&format!("{table}_{named_for}"), is_taken);
    // What every index is that says nothing of it.
    let using = if method == "btree" { String::new() } else { format!("USING {method} ") };
    let of_table = format!("{} {using}({})", qualified(schema, table), keys.join(", "));
    let index = qualified(schema, &name);
    Fix {
        sql: vec![
            UNHURRIED.into(),
            format!("CREATE INDEX CONCURRENTLY {} ON {of_table};", identifier(&name)),
        ],
        rollback: vec![format!("DROP INDEX CONCURRENTLY IF EXISTS {index};")],
        lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
        blocks: "other schema changes and VACUUM of this table; no reads, no writes".into(),
        transactional: false,
        caution:
            "Reads the table twice and waits for every older transaction. If it is interrupted it leaves an \
                  invalid index: run the rollback, then begin again."
                .into(),
    }
}

/// Has a table's statistics made anew.
pub fn analyze(schema: &str, table: &str) -> Fix {
    Fix {
        sql: vec![patience(2), format!("ANALYZE {};", qualified(schema, table))],
        rollback: Vec::new(),
        lock: "SHARE UPDATE EXCLUSIVE on the table".into(),
        blocks: "vacuum and schema changes of this table; no reads, no writes".into(),
        transactional: true,
        caution: "Reads a sample of the table. Plans may change, mostly for the better. There is nothing to take back.".into(),
    }
}

/// Extended statistics of every kind on some columns, and the way back.
pub fn statistics(schema: &str, table: &str, columns: &[String]) -> (String, String) {
    let name = qualified(schema, &cut(&format!("{table}_{}", columns.join("_")), "_stat"));
    let keys: Vec<String> = columns.iter().map(|column| identifier(column)).collect();
    let create =
        format!("CREATE STATISTICS {name} ON {} FROM {};", keys.join(", "), qualified(schema, table));
    (create, format!("DROP STATISTICS IF EXISTS {name};"))
}

/// `<stem><suffix>`, cut to what the server keeps.
fn cut(stem: &str, suffix: &str) -> String {
    let mut end = stem.len().min(LONGEST_NAME.saturating_sub(suffix.len()));
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", stem.get(..end).unwrap_or_default())
}

/// `<stem>_idx`, cut to what the server keeps, with a number if somebody has it.
fn free_name(stem: &str, is_taken: impl Fn(&str) -> bool) -> String {
    // As many tries as a table may sensibly have indexes; the last one is as good as any.
    const TRIES: usize = 100;
    let name = |nth: usize| cut(stem, &if nth == 0 { "_idx".to_owned() } else { format!("_idx{nth}") });
    (0..TRIES).map(name).find(|name| !is_taken(name)).unwrap_or_else(|| name(TRIES))
}

/// Bytes as people read them.
pub fn bytes(bytes: f64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 10.0 && unit > 0 { 1 } else { 0 };
    format!("{value:.digits$} {}", units.get(unit).copied().unwrap_or_default())
}

/// A length of time as people read it: the two largest units that matter.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let parts =
        [(whole / 86_400, "d"), (whole / 3_600 % 24, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")];
    let said: Vec<String> = parts
        .iter()
        .skip_while(|(amount, _)| *amount == 0)
        .take(2)
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, unit)| format!("{amount} {unit}"))
        .collect();
    if said.is_empty() { "0 s".into() } else { said.join(" ") }
}

/// A short time as people read it: how long a statement takes.
pub fn moment(seconds: f64) -> String {
    match seconds {
        s if s >= 60.0 => duration(s),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 0.01 => format!("{:.0} ms", s * 1e3),
        s => format!("{:.2} ms", s * 1e3),
    }
}

/// A count as people read it: 1,234,567.
pub fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_these() {
        assert_eq!(bytes(90_000_000.0), "86 MiB");
        assert_eq!(bytes(1_600.0), "1.6 KiB");
        assert_eq!(duration(90.0), "1 min 30 s");
        assert_eq!(duration(86_400.0 * 31.0), "31 d");
        assert_eq!(duration(0.2), "0 s");
        assert_eq!([0.0004, 0.02, 1.25, 90.0].map(moment), ["0.40 ms", "20 ms", "1.2 s", "1 min 30 s"]);
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(12.0), "12");
    }

    #[test]
    fn a_new_index_has_a_name_of_its_own_that_the_server_does_not_cut() {
        let made = create_index("s", "t", &["a", "b\"c"], |name| name == "t_a_b\"c_idx");
        assert_eq!(made.sql[1], r#"CREATE INDEX CONCURRENTLY "t_a_b""c_idx1" ON "s"."t" ("a", "b""c");"#);
        assert_eq!(made.rollback, [r#"DROP INDEX CONCURRENTLY IF EXISTS "s"."t_a_b""c_idx1";"#]);
        let columns = ["b".repeat(40), "c\"d".repeat(10)];
        let (create, drop) = statistics("s", "t", &columns);
        let name = create.split(' ').nth(2).unwrap();
        assert!(
            drop.contains(name) && name.replace("\"\"", "\"").len() <= 63 + "\"s\".\"\"".len(),
            "{create}"
        );
        let long = free_name(&"ä".repeat(60), |_| false);
        assert_eq!((long.len(), long.ends_with("ä_idx")), (62, true));
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(qualified("a\"b", "c d"), "\"a\"\"b\".\"c d\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b"), "E'a\\\\b'");
    }

    #[test]
    fn a_definition_is_built_without_holding_up_writers() {
        let made = concurrently("CREATE UNIQUE INDEX i ON public.t USING btree (a)");
        assert_eq!(made, "CREATE UNIQUE INDEX CONCURRENTLY i ON public.t USING btree (a);");
    }
}
