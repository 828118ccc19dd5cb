-- The next number of each table that numbers its rows. A server without a dictionary opens every table that it is asked about: there it is asked only of tables that are open.
-- A partitioned table would be opened for its number, so its number is not asked for.
-- cost: with a dictionary, at 1,000 tables 11 to 35 ms CPU, at 10,000 tables 110 ms (MySQL 9.7), and 550 ms after a start; without one 0.05 ms a table; no lock of a user's.
-- from: t = information_schema.tables
select /* dbsonde */
       t.table_name as "table"
     , case when t.create_options like '%partitioned%' then null else t.auto_increment end as next
  from information_schema.tables t
 where t.table_schema = {database} {of_table}
   and case when t.create_options like '%partitioned%' then null else t.auto_increment end is not null
 limit 100000   -- one for each table that we promise to watch
