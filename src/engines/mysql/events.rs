//! What the server is to do by the clock, and whether we are shown all of it.

use super::answer::Named;
use super::connect::Connection;
use super::known::Variables;
use crate::engine::collector::Repertoire;
use crate::engine::reading::Failure;

/// One row at most. Of a role that was given to the login nothing is told here.
const MAY_CHANGE: &str = "select /* dbsonde beat */ count(*) as dbsonde_beat from information_schema.user_privileges \
     where privilege_type = 'EVENT' and grantee = concat('''', replace(substring_index(current_user(), '@', 1), '''', ''''''), \
     '''@''', substring_index(current_user(), '@', -1), '''')";

/// Why we may not be shown all events: the server shows them to who may change them. `None` where we see all, or where the
/// server has a table of them that we may read.
pub async fn hidden(
    connection: &mut Connection,
    repertoire: &Repertoire,
    variables: &Variables,
) -> Result<Option<String>, Failure> {
    let by_table = repertoire.sql("scheduled_events").is_ok_and(|sql| sql.contains("mysql.event"));
    if by_table {
        return Ok(None);
    }
    let mut rows: Vec<Named> = Vec::new();
    match connection.run(&mut rows, MAY_CHANGE).await {
        Ok(()) | Err(Failure::Refused { .. }) => {}
        Err(lost) => return Err(lost),
    }
    let sees_all = rows.first().and_then(|row| row.whole("dbsonde_beat")).unwrap_or_default() > 0;
    let has_table = !variables.0.contains_key("information_schema_stats_expiry");
    let why = if has_table {
        "events are shown to who may change them; to see them without that right: GRANT SELECT (db, name, status, \
         interval_value, last_executed) ON mysql.event"
    } else {
        "events are shown to who may change them (the right EVENT), and that right is not worth giving for it"
    };
    Ok((!sees_all).then(|| why.to_owned()))
}
