//! What a server says of its sources, in the words of either flavour: where it has got to, which of the two threads
//! runs, and by which error one has ended. Never the text of an error, which quotes rows.

use super::answer::Named;
use super::gtid;
use crate::engine::layout::Read;
use crate::model::{Bytes, Count, InTopic, Level, Name, Names, Noun, ReplicationReceiver, Seconds};

/// As many sources as a server can have.
const MAX_SOURCES: usize = 256;
/// Channels of group replication, which are no sources of a copy.
const OF_GROUP: &str = "group_replication_";

/// Does the server copy another? The threads may stand still for now.
pub fn has_source(rows: &[Named]) -> bool {
    rows.iter().any(is_source)
}

/// What a group uses to bring a new member up to date stays among them, and stands still.
fn is_source(row: &Named) -> bool {
    !channel(row).starts_with(OF_GROUP)
}

pub fn read(rows: &[Named], names: &mut Names) -> Read {
    let sources = rows.iter().filter(|row| is_source(row));
    let mut receivers: Vec<_> = sources.take(MAX_SOURCES).map(|row| receiver(row, names)).collect();
    receivers.sort_by_key(Noun::key);
    Read { rows: ReplicationReceiver::into_rows(receivers), misfits: rows.len().saturating_sub(MAX_SOURCES) }
}

fn channel(row: &Named) -> &str {
    either(row, ["Channel_Name", "Connection_name"]).unwrap_or_default()
}

/// The newer name or the older one.
fn either<'a>(row: &'a Named, names: [&str; 2]) -> Option<&'a str> {
    names.into_iter().find_map(|name| row.text(name))
}

fn number(row: &Named, names: [&str; 2]) -> Option<u64> {
    either(row, names)?.parse().ok()
}

fn level(value: Option<u64>) -> Option<Level<Count>> {
    value.map(|value| Level::new(Count::new(value)))
}

fn receiver(row: &Named, names: &mut Names) -> ReplicationReceiver {
    let mut named = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(|text| names.intern(text));
    let seconds = |names| number(row, names).map(|value| Level::new(Seconds::new(value as f64)));
    let receives = either(row, ["Replica_IO_Running", "Slave_IO_Running"]).map(|state| state == "Yes");
    let applies = either(row, ["Replica_SQL_Running", "Slave_SQL_Running"]).map(|state| state == "Yes");
    let apply_error = row.whole("Last_SQL_Errno").and_then(|error| u64::try_from(error).ok());
    ReplicationReceiver {
        channel: named(Some(channel(row))),
        state: state(row).map(Name::new),
        slot: None,
        sender: named(either(row, ["Source_Host", "Master_Host"])),
        timeline: None,
        is_paused: applies == Some(false) && apply_error == Some(0),
        receiving: level(receives.map(u64::from)),
        applying: level(applies.map(u64::from)),
        receive_error: level(number(row, ["Last_IO_Errno"; 2])),
        apply_error: level(apply_error),
        received_bytes: None,
        replayed_bytes: None,
        ship_lag_bytes: None,
        apply_lag_bytes: behind(row).map(|bytes| Level::new(Bytes::new(bytes))),
        apply_lag_seconds: seconds(["Seconds_Behind_Source", "Seconds_Behind_Master"]),
        apply_lag_transactions: level(transactions_behind(row)),
        delay_seconds: seconds(["SQL_Delay"; 2]),
        kept_bytes: number(row, ["Relay_Log_Space"; 2]).map(|bytes| Level::new(Bytes::new(bytes))),
        silence_seconds: None,
    }
}

/// `connecting`, which may take for ever, is neither running nor stopped.
fn state(row: &Named) -> Option<&'static str> {
    Some(match either(row, ["Replica_IO_Running", "Slave_IO_Running"])? {
        "Yes" => "streaming",
        "No" => "stopped",
        _ => "connecting",
    })
}

/// Positions count from the beginning of a file, so they compare within one file only.
fn behind(row: &Named) -> Option<u64> {
    let file = |names| either(row, names).filter(|name| !name.is_empty());
    let received = file(["Source_Log_File", "Master_Log_File"])?;
    let applied = file(["Relay_Source_Log_File", "Relay_Master_Log_File"])?;
    let position = |names| number(row, names);
    (received == applied).then_some(())?;
    let received = position(["Read_Source_Log_Pos", "Read_Master_Log_Pos"])?;
    received.checked_sub(position(["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"])?)
}

fn transactions_behind(row: &Named) -> Option<u64> {
    let told = |name| row.text(name).filter(|set| !set.is_empty());
    if let Some(applied) = row.text("Executed_Gtid_Set") {
        // What it has applied is all that it ever did; what it was sent has no such ids where there are none.
        return gtid::missing(told("Retrieved_Gtid_Set")?, applied);
    }
    gtid::between(row.text("Gtid_Slave_Pos")?, told("Gtid_IO_Pos")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rows;

    fn read_one(cells: &[(&str, &str)]) -> ReplicationReceiver {
        let Rows::ReplicationReceiver(mut rows) = read(&[Named::recorded(cells)], &mut Names::default()).rows
        else {
            panic!()
        };
        rows.remove(0)
    }

    /// As a replica of MySQL 9.7 told it, its thread ended by a row that was there already.
    const MYSQL: &[(&str, &str)] = &[
        ("Replica_IO_State", "Waiting for source to send event"),
        ("Source_Host", "127.0.0.1"),
        ("Source_Log_File", "binlog.000002"),
        ("Read_Source_Log_Pos", "824"),
        ("Relay_Source_Log_File", "binlog.000002"),
        ("Replica_IO_Running", "Yes"),
        ("Replica_SQL_Running", "No"),
        ("Exec_Source_Log_Pos", "524"),
        ("Relay_Log_Space", "1243"),
        ("Last_IO_Errno", "0"),
        ("Last_SQL_Errno", "1062"),
        ("Last_SQL_Error", "Duplicate entry 'secret' for key 't.PRIMARY'"),
        ("SQL_Delay", "0"),
        ("Retrieved_Gtid_Set", "c936eab7-ebe7-11f1-9cc7-02fc00000001:1-9"),
        (
            "Executed_Gtid_Set",
            "c936eab7-ebe7-11f1-9cc7-02fc00000001:1-3,\nc937cf46-ebe7-11f1-b30f-02fc00000001:1",
        ),
        ("Channel_Name", ""),
    ];

    #[test]
    fn a_replica_of_mysql() {
        let row = read_one(MYSQL);
        let last = |level: Option<Level<Count>>| level.map(|level| level.last.get());
        assert_eq!((row.channel.clone(), row.state.as_deref()), (None, Some("streaming")));
        assert_eq!((last(row.receiving), last(row.applying)), (Some(1), Some(0)));
        assert_eq!((last(row.receive_error), last(row.apply_error)), (Some(0), Some(1062)));
        assert_eq!(last(row.apply_lag_transactions), Some(6));
        assert_eq!(row.apply_lag_bytes.map(|level| level.last.get()), Some(300));
        assert_eq!(row.apply_lag_seconds, None, "it does not say while it stands still");
        assert!(!row.is_paused, "nobody stopped it");
        assert!(!format!("{row:?}").contains("secret"));
    }

    #[test]
    fn a_replica_of_mariadb() {
        let row = read_one(&[
            ("Connection_name", "east"),
            ("Master_Host", "db1"),
            ("Master_Log_File", "binlog.000009"),
            ("Read_Master_Log_Pos", "824"),
            ("Relay_Master_Log_File", "binlog.000002"),
            ("Exec_Master_Log_Pos", "900"),
            ("Slave_IO_Running", "Preparing"),
            ("Slave_SQL_Running", "Yes"),
            ("Seconds_Behind_Master", "17"),
            ("Gtid_IO_Pos", "0-1-130,1-1-2"),
            ("Gtid_Slave_Pos", "0-1-100,1-1-2"),
        ]);
        assert_eq!((row.channel.as_deref(), row.state.as_deref()), (Some("east"), Some("connecting")));
        assert_eq!(row.apply_lag_bytes, None, "positions of two files do not compare");
        assert_eq!(row.apply_lag_seconds.map(|level| level.last.get()), Some(17.0));
        assert_eq!(row.apply_lag_transactions.map(|level| level.last.get()), Some(30));
    }

    #[test]
    fn without_global_ids_nothing_is_said_of_transactions() {
        let without = [("Retrieved_Gtid_Set", ""), ("Executed_Gtid_Set", ""), ("Replica_IO_Running", "Yes")];
        assert_eq!(read_one(&without).apply_lag_transactions, None);
        assert_eq!(
            read_one(&[("Gtid_IO_Pos", ""), ("Gtid_Slave_Pos", "0-1-7")]).apply_lag_transactions,
            None
        );
    }

    #[test]
    fn members_of_a_group_are_no_copies() {
        let of = |channel: &str| [Named::recorded(&[("Channel_Name", channel)])];
        assert!(has_source(&of("")) && has_source(&of("east")));
        assert!(!has_source(&of("group_replication_applier")) && !has_source(&[]));
    }
}
