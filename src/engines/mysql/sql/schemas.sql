-- The schemas that the login may see, and those that InnoDB has statistics of, whoever may see them. A name may come twice.
-- cost: 0.2 ms at a few tables, 2 ms at 10,000; no lock, no table of a user is opened.
-- from: s = information_schema.schemata
-- maybe: i = mysql.innodb_table_stats
select /* dbsonde */
       s.schema_name as name
  from information_schema.schemata s
 union all select distinct 0, i.database_name from mysql.innodb_table_stats i   --? i.database_name
