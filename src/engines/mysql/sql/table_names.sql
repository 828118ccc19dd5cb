-- The names of what is in a schema, and nothing else of it: then no table is opened, whatever the server.
-- cost: at 1,000 tables 1 ms CPU (MariaDB 11.8); no lock, no table of a user is opened.
-- from: t = information_schema.tables
select /* dbsonde */
       t.table_name as name
  from information_schema.tables t
 where t.table_schema = {database}
 limit 100000   -- the most tables that we promise to watch
