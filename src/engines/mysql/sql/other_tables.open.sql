-- The same where the server has no dictionary and opens every table that it is asked about: it is asked of a few that are
-- open anyway, which tell their size as well. Among them are those of InnoDB that keep no statistics.
-- cost: 0.08 ms CPU a table (MariaDB 11.8); no lock of a user's.
-- from: t = information_schema.tables
select /* dbsonde */
       t.table_name as "table"
     , concat(t.table_schema, '.', t.table_name) as "oid:hash"
     , t.table_schema as "schema"
     , 'r' as kind
     , 'p' as persistence
     , t.engine as engine
     , t.create_options as options
     , 0 as "is_partition:bool"
     , t.data_length as size_bytes
     , t.table_rows as "rows"
     , t.update_time as last_written
  from information_schema.tables t
 where t.table_schema = {database} {of_table}
   and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
   and t.engine is not null
