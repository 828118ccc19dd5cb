-- Reads and writes by who did them, on what, and in which manner.
-- cost: 0.1 ms; no lock. Some 80 rows, fixed by the server's code.
-- needs: fn pg_stat_get_io
-- from: s = pg_stat_get_io()
select /* dbsonde */
       s.backend_type as backend_type
     , s.object as object
     , s.context as context
     , s.reads as reads
     , s.reads * s.op_bytes as read_bytes       --?
     , s.read_bytes as read_bytes               --?
     , s.read_time as "read_seconds:ms"
     , s.writes as writes
     , s.writes * s.op_bytes as written_bytes   --?
     , s.write_bytes as written_bytes           --?
     , s.write_time as "write_seconds:ms"
     , s.writebacks as writebacks
     , s.writeback_time as "writeback_seconds:ms"
     , s.extends as extends
     , s.extends * s.op_bytes as extended_bytes --?
     , s.extend_bytes as extended_bytes         --?
     , s.extend_time as "extend_seconds:ms"
     , s.hits as hits
     , s.evictions as evictions
     , s.reuses as reuses
     , s.fsyncs as fsyncs
     , s.fsync_time as "fsync_seconds:ms"
     , s.stats_reset as stats_reset
  from pg_stat_get_io() s
 limit 1000   -- three times what backend types, objects and contexts can make together
