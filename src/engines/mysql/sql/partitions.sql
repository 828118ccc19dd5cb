-- Partitioned tables of a schema, and by what their partitions are told apart.
-- cost: 1.5 ms CPU, at 10,000 tables without partitions 1 ms; no lock.
-- needs: g.information_schema_stats_expiry
-- from: g = @@global
-- from: p = information_schema.partitions
select /* dbsonde */
       concat(p.table_schema, '.', p.table_name) as "oid:hash"
     , p.table_schema as "schema"
     , p.table_name as "table"
     , case when p.partition_method like 'RANGE%' then 'r' when p.partition_method like 'LIST%' then 'l' else 'h' end as strategy
     , count(*) as partitions
  from information_schema.partitions p
 where p.table_schema = {database}
   and p.partition_name is not null
 group by p.table_schema, p.table_name, p.partition_method
 limit 10000   -- tables, not partitions
