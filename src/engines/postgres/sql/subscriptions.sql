-- Logical subscriptions until 14: how far the main apply worker of each has got.
-- cost: 0.1 ms; AccessShareLock on pg_subscription, the launcher's lock shared.
-- from: s = pg_stat_subscription
select /* dbsonde */
       s.subid as oid
     , s.subname as subscription
     , s.pid as pid
     , s.received_lsn as received_bytes
     , now() - s.last_msg_receipt_time as silence_seconds
     , now() - s.latest_end_time as report_age_seconds
  from pg_stat_subscription s
 where s.relid is null
   and s.leader_pid is null   --?
 limit 1000   -- each needs a worker
