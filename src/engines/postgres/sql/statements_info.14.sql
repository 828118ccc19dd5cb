-- How many statements the server can remember, and how often it had to forget some.
-- cost: below 0.05 ms; a spinlock.
-- needs: pg_stat_statements_info
-- from: i = pg_stat_statements_info()
select /* dbsonde */
       current_setting('pg_stat_statements.max', true)::int8 as entries_max
     , i.dealloc as evictions
     , i.stats_reset as stats_reset
  from {pgss}.pg_stat_statements_info() i
