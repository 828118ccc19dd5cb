-- The true sizes of the tables $1 (oid[]), the biggest first by relpages. Only tables on which nobody holds or awaits an AccessExclusiveLock.
-- cost: 5 ms CPU at 100 small tables; AccessShareLock on each table and its indexes, a stat() for each of their files.
-- from: c = pg_class
select /* dbsonde */
       c.oid as oid
     , n.nspname as schema
     , c.relname as "table"
     , pg_table_size(c.oid) as data_bytes
     , pg_indexes_size(c.oid) as index_bytes
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
 where c.oid = any ($1)
   and not exists (select from pg_lock_status() l
                    where l.relation = c.oid
                      and l.mode = 'AccessExclusiveLock')
 limit 100   -- a budget: the rest next time
