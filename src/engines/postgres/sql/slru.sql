-- The small caches of transaction status, multixacts, subtransactions and notifications.
-- cost: below 0.1 ms; no lock. Eight rows, fixed by the server's code.
-- needs: fn pg_stat_get_slru
-- from: s = pg_stat_get_slru()
select /* dbsonde */
       s.name as cache
     , s.blks_zeroed as "zeroed_bytes:blocks"
     , s.blks_hit as "hit_bytes:blocks"
     , s.blks_read as "read_bytes:blocks"
     , s.blks_written as "written_bytes:blocks"
     , s.blks_exists as exists_checks
     , s.flushes as flushes
     , s.truncates as truncates
     , s.stats_reset as stats_reset
  from pg_stat_get_slru() s
 limit 100   -- ten times what the server has
