-- Segments of the write-ahead log that were archived, or failed to be.
-- cost: below 0.05 ms; no lock.
-- from: a = pg_stat_get_archiver()
select /* dbsonde */
       a.archived_count as archived
     , a.failed_count as failed
     , a.last_archived_wal as last_archived_segment
     , a.last_archived_time as last_archived
     , a.last_failed_wal as last_failed_segment
     , a.last_failed_time as last_failed
     , now() as asked
     , a.stats_reset as stats_reset
  from pg_stat_get_archiver() a
