-- Who keeps the sessions of $1 (int4[], pids that wait for a lock) waiting, and for what.
-- cost: 0.01 ms CPU for each waiting pid; pg_blocking_pids() holds all sixteen partition locks of the lock manager for a moment, once per waiting pid. Only when somebody waits.
-- from: l = pg_lock_status()
select /* dbsonde */
       l.pid as pid
     , array_to_string((pg_blocking_pids(l.pid))[1:32], ',') as blockers   -- the root is found through the others; 0 is a prepared transaction
     , l.locktype as lock_type
     , l.mode as mode
     , l.database as dbid
     , l.relation as relation_oid
     , l.waitstart as wait_start   --?
     , now() as asked
  from pg_lock_status() l
 where not l.granted
   and l.pid = any ($1)
 limit 100   -- each row asks the lock manager again; a longer queue has the same root
