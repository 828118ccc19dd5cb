-- What each thread runs now, by digest, and for how long.
-- cost: 0.08 ms with a few sessions; no lock.
-- from: s = performance_schema.events_statements_current
select /* dbsonde */
       s.thread_id as thread_id
     , s.digest as digest
     , s.timer_wait / 1000000000000 as seconds
  from performance_schema.events_statements_current s
 where s.end_event_id is null
