-- The columns of a schema's tables. A server without a dictionary reads the definition of every table that it is asked about: there it is asked of a few that are open.
-- cost: with a dictionary, at 40,000 columns of 10,000 tables 240 ms CPU (MySQL 9.7), at 120,000 of 12,000 tables 150 ms for each piece of 2,000 tables; without one 0.35 ms and a small temporary file a table; no lock of a user's.
-- from: c = information_schema.columns
select /* dbsonde */
       concat(c.table_schema, '.', c.table_name) as "table_oid:hash"
     , c.ordinal_position as position
     , c.table_schema as "schema"
     , c.table_name as "table"
     , c.column_name as "column"
     , c.column_type as data_type
     , c.is_nullable = 'NO' as "not_null:bool"
     , c.column_default is not null as "has_default:bool"
     , case when c.extra like '%auto_increment%' then 'd' else '' end as identity
     , case when c.extra like '%STORED%' then 's' when c.extra like '%VIRTUAL%' then 'v' else '' end as "generated"
     , c.collation_name as collation
  from information_schema.columns c
 where c.table_schema = {database} {of_table}
   and c.ordinal_position <= 400   -- nobody reads advice on the 401st column
 limit 800000   -- of a piece of 2,000 tables all
