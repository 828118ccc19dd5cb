//! The SQL of fixes as MySQL and MariaDB take it.

use crate::model::{Fix, Flavour, Index};

/// A name as SQL writes it, whatever is in it.
pub fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// Everybody who comes after us in the queue for a metadata lock waits as long as we do.
pub fn patience(seconds: u32) -> String {
    format!("SET SESSION lock_wait_timeout = {seconds};")
}

/// `ALTER TABLE …` that reads and writes go on beside, or that refuses.
pub fn alter_online(schema: &str, table: &str, deed: &str) -> String {
    format!("ALTER TABLE {} {deed}, ALGORITHM=INPLACE, LOCK=NONE;", qualified(schema, table))
}

/// `ALTER TABLE …` that writes the whole table anew: reads go on, writes wait.
pub fn alter_copying(schema: &str, table: &str, deed: &str) -> String {
    format!("ALTER TABLE {} {deed}, ALGORITHM=COPY, LOCK=SHARED;", qualified(schema, table))
}

/// Builds an index while reads and writes go on, under a name that its table has not yet.
pub fn create_index(schema: &str, table: &str, columns: &[&str], is_taken: impl Fn(&str) -> bool) -> Fix {
    let name = identifier(&super::free_name(&format!("{table}_{}", columns.join("_")), is_taken));
    let keys: Vec<String> = columns.iter().map(|column| identifier(column)).collect();
    let add = format!("ADD INDEX {name} ({})", keys.join(", "));
    Fix {
        sql: vec![patience(2), alter_online(schema, table, &add)],
        rollback: vec![patience(2), alter_online(schema, table, &format!("DROP INDEX {name}"))],
        lock: "an exclusive metadata lock on the table, for a moment at the beginning and at the end".into(),
        blocks: "until it has that lock, everybody who comes to the table after it, for 2 s at most".into(),
        transactional: false,
        caution: "Reads the whole table; what is written meanwhile must fit into innodb_online_alter_log_max_size, or it ends \
                  and leaves nothing behind. Replicas do the same after it, for as long."
            .into(),
    }
}

/// Letters of a text that an index takes whole, whatever the character set and the format of the rows.
const LONGEST_KEY: u32 = 191;

/// Does an index take a column of this type without being told how much of it?
pub fn fits_an_index(data_type: &str) -> bool {
    const SHORT: [&str; 17] = [
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "bigint",
        "decimal",
        "float",
        "double",
        "date",
        "datetime",
        "timestamp",
        "time",
        "year",
        "enum",
        "set",
        "bit",
        "uuid",
    ];
    let lower = data_type.to_ascii_lowercase();
    let (word, rest) = lower.split_at(lower.find(['(', ' ']).unwrap_or(lower.len()));
    let length = || rest.trim_start_matches('(').split(')').next()?.parse::<u32>().ok();
    let is_text = ["char", "varchar", "binary", "varbinary"].contains(&word);
    SHORT.contains(&word) || is_text && length().is_some_and(|length| length <= LONGEST_KEY)
}

/// The widest type of whole numbers in place of a narrower one; what follows the type stays.
pub fn widened(data_type: &str) -> Option<String> {
    let word = data_type.split(['(', ' ']).next()?;
    let rest = data_type.strip_prefix(word)?;
    // The number of digits to show says nothing of what it holds.
    let rest = rest.split_once(')').map_or(rest, |(_, rest)| rest);
    matches!(word, "tinyint" | "smallint" | "mediumint" | "int").then(|| format!("bigint{rest}"))
}

/// Starts or stops one thread of a replica. Each flavour has its own word, and its own place for the channel.
pub(super) fn replica(flavour: Flavour, verb: &str, channel: &str, thread: &str) -> String {
    let quoted = format!("'{}'", channel.replace('\\', "\\\\").replace('\'', "''"));
    match (flavour, channel) {
        (Flavour::Mariadb, "") => format!("{verb} SLAVE {thread};"),
        (Flavour::Mariadb, _) => format!("{verb} SLAVE {quoted} {thread};"),
        (_, "") => format!("{verb} REPLICA {thread};"),
        (..) => format!("{verb} REPLICA {thread} FOR CHANNEL {quoted};"),
    }
}

/// `CREATE INDEX …` or `ALTER TABLE … ADD INDEX …` as the engine gives it, without holding up writers where that can be: an
/// expression becomes a hidden column first, which the server does not add beside them.
fn online(definition: &str, index: &Index) -> String {
    let lock = if index.has_expressions { "SHARED" } else { "NONE" };
    let definition = definition.trim_end().trim_end_matches(';');
    let comma = if definition.starts_with("ALTER ") { "," } else { "" };
    format!("{definition}{comma} ALGORITHM=INPLACE{comma} LOCK={lock};")
}

/// Takes an index away without holding up readers or writers; the way back builds it again. Where the server can
/// hide it from queries first, that comes first: its way back is a moment, not a read of the whole table.
pub(super) fn drop_index(flavour: Flavour, index: &Index, definition: &str, caution: &str) -> Fix {
    let name = identifier(&index.index);
    let drop = alter_online(&index.schema, &index.table, &format!("DROP INDEX {name}"));
    let (hide, show) =
        if flavour == Flavour::Mariadb { ("IGNORED", "NOT IGNORED") } else { ("INVISIBLE", "VISIBLE") };
    let turn =
        |to: &str| format!("ALTER TABLE {} ALTER INDEX {name} {to};", qualified(&index.schema, &index.table));
    let first = (index.is_visible == Some(true)).then(|| (turn(hide), turn(show)));
    let (hide, show) = first.unzip();
    let wait = hide.as_ref().map_or("", |_| {
        " Between the first step and the second, wait as long as your slowest report; the last step of the way back \
         is the way back from the first."
    });
    let held_up = if index.has_expressions { ", and writers of the table wait for that" } else { "" };
    Fix {
        sql: [patience(2)].into_iter().chain(hide).chain([drop]).collect(),
        rollback: [online(definition, index)].into_iter().chain(show).collect(),
        lock: "an exclusive metadata lock on the table, for a moment".into(),
        blocks: "until it has that lock, everybody who comes to the table after it, for 2 s at most".into(),
        transactional: false,
        caution: format!(
            "{caution} Queries that name it in a hint will fail. Building it again takes a read of the whole table{held_up}.{wait}"
        ),
    }
}
