-- How many digests the server can remember, and how many statements found no room.
-- cost: 0.1 ms; no lock.
-- from: v = @@global
-- from: s = {status}
-- needs: performance_schema.events_statements_summary_by_digest
select /* dbsonde */
       @@global.performance_schema_digests_size as entries_max
     , s.variable_value as lost
  from {status} s
 where s.variable_name = 'Performance_schema_digest_lost'
