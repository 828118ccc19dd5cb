//! The handbook. Add a page: write `rules/<id>.rs`, then one line here.

use serde_json::Value;

crate::rules! {
    event_never_runs::EventNeverRuns,
    function_dominant::FunctionDominant,
    index_appended_primary_key::IndexAppendedPrimaryKey,
    index_bloated::IndexBloated,
    index_duplicate::IndexDuplicate,
    index_hidden_by_expression::IndexHiddenByExpression,
    index_invalid::IndexInvalid,
    index_keeps_updates_from_hot::IndexKeepsUpdatesFromHot,
    index_missing::IndexMissing,
    index_missing_on_foreign_key::IndexMissingOnForeignKey,
    index_redundant_prefix::IndexRedundantPrefix,
    index_too_many::IndexTooMany,
    index_unused::IndexUnused,
    plan_correlated_columns::PlanCorrelatedColumns,
    plan_disk_sort::PlanDiskSort,
    plan_foreign_filter::PlanForeignFilter,
    plan_generic_worse::PlanGenericWorse,
    plan_hash_batches::PlanHashBatches,
    plan_heap_fetches::PlanHeapFetches,
    plan_inner_sequential_scan::PlanInnerSequentialScan,
    plan_join_buffer::PlanJoinBuffer,
    plan_key_partly_used::PlanKeyPartlyUsed,
    plan_lossy_bitmap::PlanLossyBitmap,
    plan_materialise_reread::PlanMaterialiseReread,
    plan_misestimate::PlanMisestimate,
    plan_nested_loop::PlanNestedLoop,
    plan_parallel_shortfall::PlanParallelShortfall,
    plan_partitions_not_pruned::PlanPartitionsNotPruned,
    plan_trigger_time::PlanTriggerTime,
    replication_lagging::ReplicationLagging,
    replication_slot_retains::ReplicationSlotRetains,
    replication_stopped::ReplicationStopped,
    server_checkpoint_storm::ServerCheckpointStorm,
    server_checkpoints_requested::ServerCheckpointsRequested,
    server_connections_exhausting::ServerConnectionsExhausting,
    server_deadlocks::ServerDeadlocks,
    server_digests_lost::ServerDigestsLost,
    server_errors::ServerErrors,
    server_history_list_long::ServerHistoryListLong,
    server_instruments_off::ServerInstrumentsOff,
    server_statements_evicting::ServerStatementsEvicting,
    server_watched_twice::ServerWatchedTwice,
    server_watched_with_write_rights::ServerWatchedWithWriteRights,
    session_blocking::SessionBlocking,
    session_connect_storm::SessionConnectStorm,
    session_idle_in_transaction::SessionIdleInTransaction,
    session_metadata_lock::SessionMetadataLock,
    setting_autovacuum_off::SettingAutovacuumOff,
    setting_loses_data::SettingLosesData,
    statement_cancelled::StatementCancelled,
    statement_collations_differ::StatementCollationsDiffer,
    statement_correlated_subquery::StatementCorrelatedSubquery,
    statement_counts_everything::StatementCountsEverything,
    statement_deep_offset::StatementDeepOffset,
    statement_dominant::StatementDominant,
    statement_erratic::StatementErratic,
    statement_errors::StatementErrors,
    statement_full_join::StatementFullJoin,
    statement_implicit_conversion::StatementImplicitConversion,
    statement_in_list_explosion::StatementInListExplosion,
    statement_jit_overhead::StatementJitOverhead,
    statement_leading_wildcard::StatementLeadingWildcard,
    statement_like_collation::StatementLikeCollation,
    statement_n_plus_one::StatementNPlusOne,
    statement_not_in_nullable::StatementNotInNullable,
    statement_or_across_columns::StatementOrAcrossColumns,
    statement_order_by_limit_trap::StatementOrderByLimitTrap,
    statement_plan_flipped::StatementPlanFlipped,
    statement_planning_dominates::StatementPlanningDominates,
    statement_queue_polling::StatementQueuePolling,
    statement_range_checked::StatementRangeChecked,
    statement_regressed::StatementRegressed,
    statement_returns_too_much::StatementReturnsTooMuch,
    statement_rows_examined::StatementRowsExamined,
    statement_spills::StatementSpills,
    statement_temp_disk_tables::StatementTempDiskTables,
    statement_wal_heavy::StatementWalHeavy,
    table_key_exhaustion::TableKeyExhaustion,
    table_not_crash_safe::TableNotCrashSafe,
    table_statistics_stale::TableStatisticsStale,
    table_vacuum_behind::TableVacuumBehind,
    table_wraparound::TableWraparound,
}

/// A page of the handbook as a reader wants it; made from the code, so it cannot be stale.
#[derive(Debug, Clone)]
pub struct Page {
    pub id: &'static str,
    pub title: String,
    /// The first paragraph.
    pub summary: String,
    /// The whole page in Markdown, without its title.
    pub body: String,
    /// Name, default and meaning of each threshold.
    pub thresholds: Vec<(String, String, String)>,
    /// The pages whose mend mends what this one says as well.
    pub mended_with: &'static [&'static str],
}

/// Every page, in the order of the contents above.
pub fn pages() -> Vec<Page> {
    let schema = schemars::schema_for!(Handbook).to_value();
    let defaults = serde_json::to_value(Handbook::default()).unwrap_or_default();
    Handbook::IDS.iter().map(|id| page(id, &schema, defaults.get(*id).unwrap_or(&Value::Null))).collect()
}

fn page(id: &'static str, schema: &Value, defaults: &Value) -> Page {
    let name: String = id.split('-').map(capitalised).collect();
    let rule = schema.get("$defs").and_then(|defs| defs.get(&name)).unwrap_or(&Value::Null);
    let body = text(rule, "description");
    Page {
        id,
        title: text(rule, "title"),
        summary: body.split("\n\n").next().unwrap_or_default().replace('\n', " "),
        body,
        thresholds: thresholds(schema, rule, defaults),
        mended_with: Handbook::mended_with(id),
    }
}

/// Name, default and meaning of each; those of a group bear its name as well, as dotted keys of TOML do.
fn thresholds(schema: &Value, of: &Value, defaults: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (knob, about) in of.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let default = defaults.get(knob).unwrap_or(&Value::Null);
        if default.is_object() {
            let group = about
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|name| schema.pointer(name.trim_start_matches('#')));
            let group = thresholds(schema, group.unwrap_or(&Value::Null), default);
            all.extend(
                group.into_iter().map(|(name, default, about)| (format!("{knob}.{name}"), default, about)),
            );
        } else {
            all.push((knob.clone(), default.to_string(), text(about, "description").replace('\n', " ")));
        }
    }
    all
}

fn text(of: &Value, key: &str) -> String {
    of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;
