-- Who keeps the sessions of $1 (int4[], pids that wait for a lock) waiting, and for what.
-- cost: 0.01 ms CPU for each waiting pid; pg_blocking_pids() holds all sixteen partition locks of the lock manager for a moment, once per waiting pid, and pg_lock_status() once more. Only when somebody waits.
-- from: l = pg_lock_status()
with locks as (select * from pg_lock_status())
select /* dbsonde */
       l.pid as pid
     , array_to_string((case
         -- On a standby only the startup process asks for such a lock. It stands in no queue: all who hold one keep it waiting.
         when l.mode = 'AccessExclusiveLock' and pg_is_in_recovery()
           then (select array_agg(distinct h.pid)
                   from locks h
                  where h.granted
                    and h.pid <> l.pid
                    and (h.locktype, h.database, h.relation, h.page, h.tuple, h.classid, h.objid, h.objsubid)
                        is not distinct from
                        (l.locktype, l.database, l.relation, l.page, l.tuple, l.classid, l.objid, l.objsubid))
         else pg_blocking_pids(l.pid)
       end)[1:32], ',') as blockers   -- the root is found through the others; 0 is a prepared transaction
     -- Which those are: holders of a lock on the same thing that have no pid. Their number is in the lock on their own id.
     , (select string_agg(distinct x.transactionid::text, ',')
          from locks h
          join locks x on x.virtualtransaction = h.virtualtransaction and x.locktype = 'transactionid'
                      and x.pid is null and x.granted
         where h.pid is null
           and h.granted
           and (h.locktype, h.database, h.relation, h.page, h.tuple, h.transactionid, h.classid, h.objid, h.objsubid)
               is not distinct from
               (l.locktype, l.database, l.relation, l.page, l.tuple, l.transactionid, l.classid, l.objid, l.objsubid)) as prepared
     , l.locktype as lock_type
     , l.mode as mode
     , l.database as dbid
     , l.relation as relation_oid
     , l.waitstart as wait_start   --?
     , now() as asked
  from locks l
 where not l.granted
   and l.pid = any ($1)
 limit 100   -- each row asks the lock manager again; a longer queue has the same root
