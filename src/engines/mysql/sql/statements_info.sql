-- How many digests the server can remember. How many it does, and what found no room, the digests themselves tell.
-- cost: 0.05 ms; no lock.
-- from: v = @@global
-- needs: v.performance_schema_digests_size, performance_schema.events_statements_summary_by_digest
select /* dbsonde */
       @@global.performance_schema_digests_size as entries_max
