use crate::config::ByteSize;
use crate::model::{Flavour, Confidence, Finding, Fix, Name, ReplicationSlot, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Replication slot that nobody reads
///
/// The server keeps the write-ahead log for a client that is away.
///
/// ## Why it hurts
///
/// The log is kept until the disk is full, and then the server stops. A slot may also hold back vacuum, so that dead rows
/// pile up in every table.
///
/// ## What to do
///
/// Bring the client back. If it will never come again, drop the slot. Set `max_slot_wal_keep_size` (13 and later), so that
/// the next forgotten one costs a standby and not the primary.
///
/// ## When this page is wrong
///
/// While a standby is repaired for longer than usual, and there is room enough on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicationSlotRetains {
    /// Log kept for a client that is away. Calibrated by us: ten times what a restart of a standby leaves.
    min_bytes: ByteSize,
    /// Log that makes it urgent.
    urgent_bytes: ByteSize,
}

impl Default for ReplicationSlotRetains {
    fn default() -> Self {
        Self { min_bytes: ByteSize::mib(10 << 10), urgent_bytes: ByteSize::mib(100 << 10) }
    }
}

impl Rule for ReplicationSlotRetains {
    const ID: &'static str = "replication-slot-retains";
    const OF: &'static [Flavour] = &[Flavour::Postgres];
    const NEEDS: &'static [Topic] = &[Topic::ReplicationSlots];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        // A standby's copy of one has no client: whether it is read shows on the primary.
        let is_copy = move |slot: &ReplicationSlot| slot.synced == Some(true) && seen.is_standby();
        let unread = move |slot: &ReplicationSlot| slot.active.last.get() == 0 && !slot.is_temporary && !is_copy(slot);
        // What is lost already keeps nothing any more.
        let keeps = |slot: &ReplicationSlot| slot.wal_status.as_deref() != Some("lost");
        let much = |slot: &ReplicationSlot| retained(slot) >= self.min_bytes.get() as f64;

        seen.now
            .rows::<ReplicationSlot>()
            .filter(move |slot| unread(slot) && keeps(slot) && much(slot))
            .map(|slot| self.finding(slot).into())
    }
}

fn retained(slot: &ReplicationSlot) -> f64 {
    slot.retained_bytes.map_or(0.0, |bytes| bytes.float())
}

impl ReplicationSlotRetains {
    fn finding(&self, slot: &ReplicationSlot) -> Finding {
        let bytes = retained(slot);
        let away = slot.asked.zip(slot.inactive_since).map(|(now, since)| now.get() - since.get());
        let since = away.map_or(String::new(), |away| format!(" for {}", script::duration(away)));
        Finding {
            rule: Name::new(Self::ID),
            severity: if bytes >= self.urgent_bytes.get() as f64 { Severity::Urgent } else { Severity::Warning },
            database: None,
            subject: slot.slot.to_string(),
            because: format!(
                "{} of log are kept for the {} slot {}, whose client has been away{since}",
                script::bytes(bytes),
                slot.slot_type,
                slot.slot,
            ),
            evidence: evidence([
                ("retained_bytes", json!(bytes)),
                ("safe_bytes", json!(slot.safe_bytes.map(|bytes| bytes.float()))),
                ("away_seconds", json!(away.map(f64::round))),
                ("wal_status", json!(slot.wal_status.as_deref())),
            ]),
            advice: "Bring its client back; if it will never come again, drop the slot.".into(),
            // A slot that a standby keeps in step with its primary is the primary's to drop.
            fix: (slot.synced != Some(true)).then(|| Fix {
                sql: vec![format!("SELECT pg_drop_replication_slot({});", script::literal(&slot.slot))],
                rollback: Vec::new(),
                lock: String::new(),
                blocks: "nobody".into(),
                transactional: true,
                caution: "Its client must be built anew: the log that it lacks is gone. That cannot be taken back.".into(),
            }),
            confidence: Confidence::Measured,
        }
    }
}
