-- Transactions prepared for a two-phase commit and left so: they hold locks and keep dead rows from being cleaned.
-- cost: below 0.05 ms; the two-phase lock, shared and short.
-- from: p = pg_prepared_xact()
select /* dbsonde */
       p.dbid as dbid
     , count(*) as pending
     , max(now() - p.prepared) as oldest_seconds
     , max(age(p.transaction)) as oldest_xid_age
  from pg_prepared_xact() p
 group by p.dbid
 limit 10000   -- as many databases as databases.sql reads
