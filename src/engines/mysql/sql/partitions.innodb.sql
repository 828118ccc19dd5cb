-- Partitioned tables of a schema, by the statistics of their partitions: to ask the server for them would open every table.
-- cost: 1 ms CPU, at 10,000 tables without partitions 1.8 ms; no lock.
-- from: s = mysql.innodb_table_stats
select /* dbsonde */
       concat(s.database_name, '.', substring_index(s.table_name, '#P#', 1)) as "oid:hash"
     , s.database_name as "schema"
     , substring_index(s.table_name, '#P#', 1) as "table"
     , count(*) as partitions
  from mysql.innodb_table_stats s
 where s.database_name = {database}
   and s.table_name like '%#P#%'
   and s.table_name not like '#sql%'
 group by 3, 4   -- the schema and the table; the mark of ours is the first column
 limit 10000   -- tables, not partitions
