-- Partitioned tables, and by what their partitions are told apart.
-- cost: below 0.1 ms without any; AccessShareLock on pg_inherits and pg_class.
-- from: p = pg_partitioned_table
select /* dbsonde */
       p.partrelid as oid
     , n.nspname as schema
     , c.relname as "table"
     , p.partstrat as strategy
     , p.partattrs::text as columns
     , p.partdefid as default_oid       --?
     , (select count(*) from pg_inherits h where h.inhparent = p.partrelid) as partitions
  from pg_partitioned_table p
  join pg_class c on c.oid = p.partrelid
  join pg_namespace n on n.oid = c.relnamespace
 limit 10000   -- tables, not partitions
