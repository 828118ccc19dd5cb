-- Replication slots: what they keep the server from removing, and what logical decoding spilled for them.
-- cost: 0.05 ms at 2 slots; the slots' control lock, shared, and a spinlock each.
-- from: s = pg_get_replication_slots()
select /* dbsonde */
       s.slot_name as slot
     , s.slot_type as slot_type
     , s.plugin as plugin
     , s.datoid as dbid
     , s.temporary as is_temporary
     , s.active_pid as active_pid
     , s.wal_status as wal_status                     --?
     , s.two_phase as two_phase                       --?
     , s.conflicting as conflicting                   --?
     , s.inactive_since as inactive_since             --?
     , s.invalidation_reason as invalidation_reason   --?
     , s.failover as failover                         --?
     , s.synced as synced                             --?
     , now() as asked
     , s.active::int4 as active
     , here.lsn - s.restart_lsn as retained_bytes
     , here.lsn - s.confirmed_flush_lsn as unconfirmed_bytes
     , s.safe_wal_size as safe_bytes                  --?
     , age(s.xmin) as xmin_age
     , age(s.catalog_xmin) as catalog_xmin_age
     , t.spill_txns as spilled_transactions           --? fn pg_stat_get_replication_slot
     , t.spill_count as spills                        --? fn pg_stat_get_replication_slot
     , t.spill_bytes as spilled_bytes                 --? fn pg_stat_get_replication_slot
     , t.stream_txns as streamed_transactions         --? fn pg_stat_get_replication_slot
     , t.stream_count as streams                      --? fn pg_stat_get_replication_slot
     , t.stream_bytes as streamed_bytes               --? fn pg_stat_get_replication_slot
     , t.total_txns as decoded_transactions           --? fn pg_stat_get_replication_slot
     , t.total_bytes as decoded_bytes                 --? fn pg_stat_get_replication_slot
     , t.stats_reset as stats_reset                   --? fn pg_stat_get_replication_slot
  from (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn) here
 cross join pg_get_replication_slots() s
  left join lateral pg_stat_get_replication_slot(case when s.datoid is not null then s.slot_name end) t on true   --? fn pg_stat_get_replication_slot
 limit 1000   -- max_replication_slots of any server
