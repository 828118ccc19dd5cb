-- What each thread waits for now, where the server records waits.
-- cost: 0.07 ms with a few sessions; no lock.
-- from: w = performance_schema.events_waits_current
select /* dbsonde */
       w.thread_id as thread_id
     , w.event_name as event_name
  from performance_schema.events_waits_current w
 where w.end_event_id is null
