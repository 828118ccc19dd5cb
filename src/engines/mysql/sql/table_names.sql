-- The names of what is in a schema in the server's order, and nothing else of it: then no table is opened, whatever the server.
-- cost: at 1,000 tables 1 ms CPU (MariaDB 11.8), at 12,000 tables 34 ms (MySQL 9.7), of which 7 to sort them, every 15 minutes; no lock, no table of a user is opened.
-- from: t = information_schema.tables
select /* dbsonde */
       t.table_name as name
  from information_schema.tables t
 where t.table_schema = {database}
 order by t.table_name   -- where readings are cut
 limit 100000   -- the most tables that we promise to watch
