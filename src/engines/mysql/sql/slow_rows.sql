-- Rows of the slow log that is kept as a table, in the order in which they were written: rows are only ever added, or
-- all of them taken away. Never past a statement's first 32 kB.
-- cost: 7 µs for each row of the whole table, however few are asked for: 0.7 s at 100,000 rows of 290 bytes. No lock of a row.
-- A rename or a truncation waits for us, and who logs waits behind it: so a table that takes long is left alone.
-- from: s = mysql.slow_log
select /* dbsonde */
       s.start_time as start
     , s.user_host as user_host
     , s.query_time as query_time
     , s.lock_time as lock_time
     , s.rows_sent as rows_sent
     , s.rows_examined as rows_examined
     , s.rows_affected as rows_affected   --?
     , s.db as db
     , left(cast(s.sql_text as binary), 32768) as text
  from {slow_log} s
 limit {from}, {most}
