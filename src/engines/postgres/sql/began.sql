-- When the statistics of the connected database began, and the server's.
-- cost: below 0.05 ms; no lock.
select /* dbsonde */
       pg_stat_get_db_stat_reset_time(d.oid) as database_reset
     , pg_stat_get_bgwriter_stat_reset_time() as stats_reset
  from pg_database d
 where d.datname = current_database()
