-- Every session: who it is, since when it does what it does. Never the text of what it runs.
-- cost: 0.1 ms with a few sessions; no lock: the list of threads is read without stopping it.
-- Threads that play what a source has sent bear the name of whoever started them, and call themselves at work while
-- they wait for more: only the name of the thread tells. So it does of those that do what an event says.
-- from: t = performance_schema.threads
select /* dbsonde */
       t.processlist_id as pid
     , t.thread_id as thread_id
     , t.processlist_db as "database"
     , t.processlist_user as user
     , t.processlist_host as client
     , case   -- after `thread/sql/`
         when substring(t.name, 12, 6) in ('replic', 'slave_') then 'replication'
         when substring(t.name, 12) = 'event_worker' then 'event'
         else lower(t.type)
       end as backend_type
     , t.processlist_command as state
     , t.processlist_state as wait_event
     , unix_timestamp(now(6)) - t.processlist_time as state_change
     , unix_timestamp(now(6)) as asked
  from performance_schema.threads t
 where t.processlist_id is not null
