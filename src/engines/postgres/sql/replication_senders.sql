-- Whom the server sends its write-ahead log, and how far each of them is behind.
-- cost: 0.1 ms; a spinlock per sender. Without pg_read_all_stats the positions are unknown.
-- from: r = pg_stat_replication
select /* dbsonde */
       r.pid as pid
     , r.backend_start as backend_start
     , r.application_name as application
     , r.client_addr as client
     , r.state as state
     , r.sync_state as sync_state
     , r.sync_priority as sync_priority
     , here.lsn - r.sent_lsn as send_lag_bytes
     , r.sent_lsn - r.write_lsn as write_lag_bytes
     , r.write_lsn - r.flush_lsn as flush_lag_bytes
     , r.flush_lsn - r.replay_lsn as replay_lag_bytes
     , here.lsn - r.replay_lsn as all_lag_bytes
     , r.write_lag as write_lag_seconds
     , r.flush_lag as flush_lag_seconds
     , r.replay_lag as replay_lag_seconds
     , age(r.backend_xmin) as xmin_age
     , now() - r.reply_time as silence_seconds   --?
  from (select case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) else pg_current_wal_lsn() end as lsn) here
 cross join pg_stat_replication r
 limit 1000   -- max_wal_senders of any server
