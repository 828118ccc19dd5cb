-- Every InnoDB table of a schema: its size and its rows as InnoDB's own statistics have them, a row for each partition.
-- The client adds up partitions: to group them here would make a table on disk.
-- What is done to it is laid over by the client: a join would cost the square of the tables where nothing has an index.
-- cost: at 10,000 tables 9 ms CPU (MySQL 9.7) and 6 ms (MariaDB 11.8); no lock, no table of a user is opened.
-- from: s = mysql.innodb_table_stats
select /* dbsonde */
       substring_index(substring_index(s.table_name, '#P#', 1), '#p#', 1) as "table"
     , concat(s.database_name, '.', substring_index(substring_index(s.table_name, '#P#', 1), '#p#', 1)) as "oid:hash"
     , s.database_name as "schema"
     , 'r' as kind
     , 'p' as persistence
     , 'InnoDB' as engine
     , 0 as "is_partition:bool"
     , s.clustered_index_size as "size_bytes:blocks"
     , s.n_rows as "rows"
     , s.last_update as last_autoanalyze
  from mysql.innodb_table_stats s
 where s.database_name = {database} {of_table}
   and s.table_name not like '#sql%'   -- what an ALTER TABLE builds
 limit 100000   -- the most tables that we promise to watch; each partition counts
