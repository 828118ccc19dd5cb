-- What the sessions of $1 (int4[], pids) are running, for digests whose text is unknown. The engine keeps none of it as it is.
-- cost: as sessions.sql, and 8 kB a row at most; no lock.
-- from: a = pg_stat_get_activity(integer)
select /* dbsonde */
       a.pid as pid
     , a.datid as dbid
     , a.usesysid as userid
     , a.query_id as server_digest   --?
     , a.query_start as query_start
     , left(a.query, 8192) as query   -- a longer one has no digest that is worth its memory
  from pg_stat_get_activity(null) a
 where a.pid = any ($1)
 limit 100   -- as many texts as one round reads
