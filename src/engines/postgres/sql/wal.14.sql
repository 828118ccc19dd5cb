-- What was written to the write-ahead log, and how far it has got. Since 18 the times are in the topic io.
-- cost: below 0.05 ms; no lock.
-- needs: fn pg_stat_get_wal
-- from: w = pg_stat_get_wal()
select /* dbsonde */
       case when not pg_is_in_recovery() then pg_current_wal_lsn() end as position_bytes
     , w.wal_records as records
     , w.wal_fpi as full_images
     , w.wal_bytes as bytes
     , w.wal_buffers_full as buffers_full
     , w.wal_write as writes                     --?
     , w.wal_sync as syncs                       --?
     , w.wal_write_time as "write_seconds:ms"    --?
     , w.wal_sync_time as "sync_seconds:ms"      --?
     , w.stats_reset as stats_reset
  from pg_stat_get_wal() w
