-- Who is sent the binary log. How far they have got only they know.
-- cost: 0.1 ms with a few sessions; no lock: the list of threads is read without stopping it.
-- from: t = performance_schema.threads
select /* dbsonde */
       t.processlist_id as pid
     , t.processlist_host as client
     , case when t.processlist_state like '%has sent all%' then 'streaming' else 'catchup' end as state
  from performance_schema.threads t
 where t.processlist_command in ('Binlog Dump', 'Binlog Dump GTID')
 limit 1000   -- more than a server can feed
