-- How long the executions of one statement took, by the server's own histogram: a row for each length that occurred, and first one without for how often it ran in all.
-- To read it by its key, the server walks all that it remembers; to read all of them is 53 us CPU for each. So few are read, once a minute: see latencies.rs.
-- cost: 1.5 us CPU for each statement that the server remembers (MySQL 9.7): 4.5 ms at 3,000, 7.5 ms at 5,000; no lock.
-- from: s = performance_schema.events_statements_summary_by_digest
-- from: h = performance_schema.events_statements_histogram_by_digest
select /* dbsonde */
       {nth} as nth
     , timestampdiff(microsecond, s.first_seen, now(6)) / 1e6 as age
     , s.count_star as count
     , 0 as bucket
     , 0 as length
     , unix_timestamp(s.first_seen) as began
  from performance_schema.events_statements_summary_by_digest s
 where s.schema_name {of_schema} and s.digest = '{digest}'
 union all
select 0
     , {nth}
     , null
     , h.count_bucket
     , h.bucket_number
     , case when h.bucket_number < 449 then h.bucket_timer_high else h.bucket_timer_low end
     , null
  from performance_schema.events_statements_histogram_by_digest h
 where h.schema_name {of_schema} and h.digest = '{digest}'
   and h.count_bucket > 0   -- at most 450 rows
