//! Who waits for whom: InnoDB's locks of rows and the server's locks of metadata, as one list. Asked only when somebody
//! waits; the pulse makes trees of it.

use super::answer::Named;
use super::link::Link;
use super::scene::Scene;
use crate::engine::reading::{Failure, gap};
use crate::engine::template::is_absent;
use crate::engine::{EngineError, Visit};
use crate::model::{Blocking, Name, Scope, Session, Timestamp, Topic};
use std::collections::{BTreeMap, BTreeSet};

/// Locks whose names a program made up, as it may make up anything: they are not shown.
const NAMED_BY_PROGRAMS: [&str; 2] = ["USER LEVEL LOCK", "LOCKING SERVICE"];

/// What all who wait, wait for. What the server does not tell is a gap.
pub async fn look(
    link: &mut Link,
    sessions: &[Session],
    waiting: &BTreeSet<i64>,
    visit: &mut Visit,
) -> Result<Vec<Blocking>, EngineError> {
    let wait_for_rows = |session: &&Session| session.wait_event.as_deref() == Some("row");
    let (rows, others): (Vec<&Session>, Vec<&Session>) =
        sessions.iter().filter(|session| waiting.contains(&session.pid)).partition(wait_for_rows);
    let mut waits = Vec::new();
    if !rows.is_empty() {
        let found = told(link, "row_waits", visit).await?;
        waits.extend(found.iter().filter_map(|row| row_wait(row, &link.scene)));
    }
    if !others.is_empty() {
        let found = told(link, "metadata_locks", visit).await?;
        let locks: Vec<Lock> = found.iter().filter_map(Lock::read).collect();
        waits.extend(metadata_waits(&locks, link.scene.only_prepared()));
    }
    Ok(waits)
}

async fn told(link: &mut Link, file: &'static str, visit: &mut Visit) -> Result<Vec<Named>, EngineError> {
    match link.ask(file).await {
        Ok(rows) => Ok(rows),
        Err(Failure::Lost(error)) => Err(error),
        Err(Failure::Refused { message, .. }) => {
            if !is_absent(&message) {
                let why = format!("who keeps others waiting is not known: {message}");
                gap(visit, Topic::Blockers, &Scope::Server, why);
            }
            Ok(Vec::new())
        }
    }
}

/// One who waits, and those in its way: pids, and ids of transactions that have no session.
fn wait(pid: i64, pids: &BTreeSet<i64>, prepared: &BTreeSet<i64>) -> Blocking {
    let joined = |ids: &mut dyn Iterator<Item = i64>| {
        Name::new(&ids.map(|id| id.to_string()).collect::<Vec<_>>().join(","))
    };
    Blocking {
        pid,
        blockers: Some(joined(&mut pids.iter().copied().chain(prepared.iter().map(|_| 0)))),
        prepared: (!prepared.is_empty()).then(|| joined(&mut prepared.iter().copied())),
        lock_type: None,
        mode: None,
        dbid: None,
        relation_oid: None,
        object: None,
        wait_start: None,
        asked: None,
    }
}

fn row_wait(row: &Named, scene: &Scene) -> Option<Blocking> {
    let waiting = scene.transaction(row.whole("waiting")?)?;
    let ids = row.text("blocking")?.split(',').filter_map(|id| id.parse::<i64>().ok());
    let (mut pids, mut prepared) = (BTreeSet::new(), BTreeSet::new());
    for id in ids {
        match scene.transaction(id).map(|transaction| transaction.pid) {
            Some(0) => prepared.insert(id),
            Some(pid) => pids.insert(pid),
            None => false,
        };
    }
    // MySQL tells a table in two columns, all others as `schema`.`table`.
    let name = row.text("name").map(|name| name.replace('`', ""));
    let object = match (row.text("schema"), name) {
        (Some(schema), Some(name)) => Some(format!("{schema}.{name}")),
        (_, name) => name,
    };
    Some(Blocking {
        lock_type: Some(Name::new("row")),
        mode: row.text("mode").map(Name::new),
        object: object.as_deref().map(Name::new),
        wait_start: waiting.wait_started.map(Timestamp::new),
        ..wait(waiting.pid, &pids, &prepared)
    })
}

/// A lock of metadata, held or awaited.
#[derive(Debug, Clone, PartialEq)]
struct Lock {
    /// What is locked: kind, schema, name.
    of: [String; 3],
    mode: String,
    is_granted: bool,
    owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Session(i64),
    /// It is held by a transaction that was prepared, and whose session is no more.
    Gone,
}

impl Lock {
    /// None for what a thread of the server's own holds, which is nobody's session.
    fn read(row: &Named) -> Option<Lock> {
        let of = ["kind", "schema", "name"].map(|column| row.text(column).unwrap_or_default().to_owned());
        let owner = match row.whole("pid") {
            Some(pid) => Owner::Session(pid),
            None if row.whole("has_ended") == Some(1) => Owner::Gone,
            None => return None,
        };
        let status = row.text("status")?;
        let is_granted = status != "PENDING";
        Some(Lock { of, mode: row.text("mode")?.to_owned(), is_granted, owner })
    }

    fn shown(&self) -> String {
        let [kind, schema, name] = &self.of;
        match (schema.as_str(), name.as_str()) {
            _ if NAMED_BY_PROGRAMS.contains(&kind.as_str()) => kind.to_lowercase(),
            ("", "") => kind.to_lowercase(),
            ("", one) | (one, "") => one.to_owned(),
            (schema, name) => format!("{schema}.{name}"),
        }
    }
}

/// Every session that waits, behind those who hold what keeps it out; where nobody does, behind those who came first and
/// will hold it. What has no session is `prepared`, where there is but one such transaction.
fn metadata_waits(locks: &[Lock], prepared: Option<i64>) -> Vec<Blocking> {
    let mut queues: BTreeMap<&[String; 3], Vec<&Lock>> = BTreeMap::new();
    for lock in locks {
        queues.entry(&lock.of).or_default().push(lock);
    }
    let waiting = locks.iter().filter(|lock| !lock.is_granted);
    let waits = waiting.filter_map(|lock| {
        let Owner::Session(pid) = lock.owner else { return None };
        let in_way = |granted: bool| {
            let others = queues.get(&lock.of).into_iter().flatten().filter(|other| other.owner != lock.owner);
            let others = others.filter(|other| other.is_granted == granted);
            others.filter(|other| excludes(&other.mode, &lock.mode)).map(|other| other.owner).collect()
        };
        let mut owners: BTreeSet<Owner> = in_way(true);
        if owners.is_empty() {
            owners = in_way(false);
        }
        let pids = owners.iter().filter_map(|owner| match owner {
            Owner::Session(pid) => Some(*pid),
            Owner::Gone => None,
        });
        let gone = owners.contains(&Owner::Gone);
        let unknown = (gone && prepared.is_none()).then_some(0);
        let prepared = prepared.filter(|_| gone).into_iter().collect();
        Some(Blocking {
            lock_type: Some(Name::new("metadata")),
            mode: Some(Name::new(&lock.mode)),
            object: Some(Name::new(&lock.shown())),
            ..wait(pid, &pids.chain(unknown).collect(), &prepared)
        })
    });
    // A session waits for one lock at a time.
    waits.map(|wait| (wait.pid, wait)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Does a lock of this mode keep out one of that? As MySQL's manual and MariaDB's have it; it works both ways.
fn excludes(held: &str, wanted: &str) -> bool {
    let one_way = |a: &str, b: &str| match a {
        "EXCLUSIVE" => true,
        // Of schemas and of the server as a whole: who changes something inside, and who wants it unchanged.
        "SHARED" => b == "INTENTION_EXCLUSIVE",
        "SHARED_NO_READ_WRITE" => !matches!(b, "SHARED" | "SHARED_HIGH_PRIO"),
        "SHARED_NO_WRITE" => {
            matches!(b, "SHARED_NO_WRITE" | "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO" | "SHARED_UPGRADABLE")
        }
        "SHARED_READ_ONLY" => matches!(b, "SHARED_WRITE" | "SHARED_WRITE_LOW_PRIO"),
        "SHARED_UPGRADABLE" => b == "SHARED_UPGRADABLE",
        // MariaDB's: backups, and those who write meanwhile.
        _ if a.starts_with("BACKUP_") => !is_writer(a) && (is_writer(b) || a == b),
        _ => false,
    };
    one_way(held, wanted) || one_way(wanted, held)
}

fn is_writer(mode: &str) -> bool {
    ["_DML", "_DDL", "_ALTER_COPY", "_COMMIT"].iter().any(|end| mode.ends_with(end))
        && !mode.contains("_WAIT_")
        && !mode.contains("_BLOCK_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(name: &str, mode: &str, is_granted: bool, pid: i64) -> Lock {
        let owner = if pid == 0 { Owner::Gone } else { Owner::Session(pid) };
        Lock { of: ["TABLE", "shop", name].map(str::to_owned), mode: mode.into(), is_granted, owner }
    }

    fn told(locks: &[Lock]) -> Vec<(i64, String)> {
        let waits = metadata_waits(locks, None);
        waits.into_iter().map(|wait| (wait.pid, wait.blockers.unwrap().to_string())).collect()
    }

    #[test]
    fn readers_wait_behind_a_change_that_waits_behind_a_reader() {
        let locks = [
            lock("t", "SHARED_READ", true, 1),
            lock("t", "SHARED_UPGRADABLE", true, 2),
            lock("t", "EXCLUSIVE", false, 2),
            lock("t", "SHARED_READ", false, 3),
            lock("other", "EXCLUSIVE", true, 9),
        ];
        assert_eq!(told(&locks), [(2, "1".to_owned()), (3, "2".to_owned())]);
        let behind_nobody = [lock("t", "SHARED_WRITE", true, 0), lock("t", "EXCLUSIVE", false, 2)];
        assert_eq!(told(&behind_nobody), [(2, "0".to_owned())], "a prepared transaction");
    }

    #[test]
    fn modes_keep_out_what_they_should() {
        // Who is let in beside whom, as the manual's table has it.
        let table = [
            ("SHARED", "+++++++++-"),
            ("SHARED_HIGH_PRIO", "+++++++++-"),
            ("SHARED_READ", "++++++++--"),
            ("SHARED_WRITE", "++++++----"),
            ("SHARED_WRITE_LOW_PRIO", "++++++----"),
            ("SHARED_UPGRADABLE", "+++++-+---"),
            ("SHARED_READ_ONLY", "+++--+++--"),
            ("SHARED_NO_WRITE", "+++---+---"),
            ("SHARED_NO_READ_WRITE", "++--------"),
            ("EXCLUSIVE", "----------"),
        ];
        for (held, row) in table {
            for ((wanted, _), sign) in table.into_iter().zip(row.chars()) {
                assert_eq!(excludes(held, wanted), sign == '-', "{held} and {wanted}");
            }
        }
        for (held, wanted, apart) in [
            ("SHARED", "INTENTION_EXCLUSIVE", true),
            ("INTENTION_EXCLUSIVE", "INTENTION_EXCLUSIVE", false),
            ("BACKUP_FTWRL1", "BACKUP_TRANS_DML", true),
            ("BACKUP_BLOCK_DDL", "BACKUP_COMMIT", true),
            ("BACKUP_TRANS_DML", "BACKUP_DDL", false),
        ] {
            assert_eq!(excludes(held, wanted), apart, "{held} and {wanted}");
        }
    }

    #[test]
    fn what_programs_name_is_not_shown() {
        let of = ["USER LEVEL LOCK", "", "password=sesame"].map(str::to_owned);
        let lock = Lock { of, ..lock("t", "EXCLUSIVE", true, 1) };
        assert_eq!(lock.shown(), "user level lock");
        assert_eq!(Lock { of: ["GLOBAL", "", ""].map(str::to_owned), ..lock }.shown(), "global");
    }
}
