-- How many statements the server can remember; before 14 it does not tell how many it forgot.
-- cost: below 0.05 ms; no lock.
select /* dbsonde */
       current_setting('pg_stat_statements.max', true)::int8 as entries_max
