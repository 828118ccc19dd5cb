-- Logical subscriptions: how far the main apply worker of each has got, and what went wrong.
-- cost: 0.1 ms; AccessShareLock on pg_subscription, the launcher's lock shared.
-- needs: fn pg_stat_get_subscription_stats
-- from: s = pg_stat_subscription
-- from: t = pg_stat_get_subscription_stats(oid)
select /* dbsonde */
       s.subid as oid
     , s.subname as subscription
     , s.pid as pid
     , s.received_lsn as received_bytes
     , now() - s.last_msg_receipt_time as silence_seconds
     , now() - s.latest_end_time as report_age_seconds
     , t.apply_error_count as apply_errors
     , t.sync_error_count as sync_errors         --?
     , t.sync_table_error_count as sync_errors   --?
     , t.confl_insert_exists as insert_exists_conflicts   --?
     , t.confl_update_origin_differs as update_origin_conflicts   --?
     , t.confl_update_exists as update_exists_conflicts   --?
     , t.confl_update_missing as update_missing_conflicts   --?
     , t.confl_delete_origin_differs as delete_origin_conflicts   --?
     , t.confl_delete_missing as delete_missing_conflicts   --?
     , t.confl_multiple_unique_conflicts as multiple_unique_conflicts   --?
     , t.stats_reset as stats_reset
  from pg_stat_subscription s
  left join lateral pg_stat_get_subscription_stats(s.subid) t on true
 where s.relid is null
   and s.leader_pid is null   --?
 limit 1000   -- each needs a worker
