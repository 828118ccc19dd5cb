-- How long the executions of some statements took, by the server's own histograms: of each a row for each length that occurred, and one without for how often it ran in all.
-- To read one by its key, the server walks all that it remembers; to read all of them is 53 us CPU for each. So few are read, once a minute: see latencies.rs.
-- What did not run since the last look is not asked for.
-- Two lists, since what was called in no schema is found by no list of pairs. Not a SELECT for each: that would open as many tables of the server's.
-- cost: for each statement asked for, 1.5 us CPU for each that the server remembers (MySQL 9.7): 4.5 ms at 3,000, 7.5 ms at 5,000; no lock.
-- from: s = performance_schema.events_statements_summary_by_digest
-- from: h = performance_schema.events_statements_histogram_by_digest
select /* dbsonde */
       coalesce(s.schema_name, '') as "schema"
     , s.digest as digest
     , timestampdiff(microsecond, s.first_seen, now(6)) / 1e6 as age
     , s.count_star as count
     , 0 as bucket
     , 0 as length
     , unix_timestamp(s.first_seen) as began
  from performance_schema.events_statements_summary_by_digest s
 where (s.schema_name, s.digest) in ({in_schemas}) or s.schema_name is null and s.digest in ({in_none})
 union all
select 0
     , coalesce(h.schema_name, '')
     , h.digest
     , null
     , h.count_bucket
     , h.bucket_number
     , case when h.bucket_number < 449 then h.bucket_timer_high else h.bucket_timer_low end
     , null
  from performance_schema.events_statements_histogram_by_digest h
 where ((h.schema_name, h.digest) in ({in_schemas}) or h.schema_name is null and h.digest in ({in_none}))
   and h.count_bucket > 0   -- at most 450 rows each
