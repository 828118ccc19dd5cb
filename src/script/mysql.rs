//! The SQL of fixes as MySQL and MariaDB take it.

use crate::model::{Fix, Index};

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

/// `CREATE INDEX …` or `ALTER TABLE … ADD INDEX …` as the engine gives it, without holding up writers.
fn online(definition: &str) -> String {
    let definition = definition.trim_end().trim_end_matches(';');
    let comma = if definition.starts_with("ALTER ") { "," } else { "" };
    format!("{definition}{comma} ALGORITHM=INPLACE{comma} LOCK=NONE;")
}

/// Takes an index away without holding up readers or writers; the way back builds it again.
pub(super) fn drop_index(index: &Index, definition: &str, caution: &str) -> Fix {
    let deed = format!("DROP INDEX {}", identifier(&index.index));
    Fix {
        sql: vec![patience(2), alter_online(&index.schema, &index.table, &deed)],
        rollback: vec![online(definition)],
        lock: "an exclusive metadata lock on the table, for a moment".into(),
        blocks: "until it has that lock, everybody who comes to the table after it, for 2 s at most".into(),
        transactional: false,
        caution: format!(
            "{caution} Queries that name it in a hint will fail. Building it again takes a read of the whole table."
        ),
    }
}
