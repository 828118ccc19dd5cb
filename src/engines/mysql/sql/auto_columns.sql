-- Which columns number their rows, and how far their type goes. A server without a dictionary reads the definition of every table that it is asked about: there it is asked of a few, once each.
-- cost: with a dictionary, at 10,000 tables 160 ms CPU (MySQL 9.7); without one 0.35 ms and a small temporary file a table; no lock of a user's.
-- from: c = information_schema.columns
select /* dbsonde */
       c.table_name as "table"
     , c.column_name as "column"
     , c.ordinal_position as position
     , c.column_type as data_type
  from information_schema.columns c
 where c.table_schema = {database} {of_table}
   and c.extra like '%auto_increment%'
 limit 100000   -- one for each table that we promise to watch
