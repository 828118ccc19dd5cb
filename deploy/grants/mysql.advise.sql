-- Tier advise on MySQL 5.7 and later, on top of stats: definitions of tables and indexes, and plans. There is no
-- right to see a plan without the right to read, so this reads the tables of the schemas that you choose.
--
-- Run mysql.stats.sql first. This prints the grants for all schemas but the server's own; keep those that you want:
--   dbsonde grants --engine mysql --tier advise | mysql --skip-column-names | tee grants.sql

SELECT CONCAT('GRANT SELECT, SHOW VIEW ON `', REPLACE(REPLACE(REPLACE(schema_name, '`', '``'), '_', '\\_'), '%', '\\%'),
              '`.* TO ''dbsonde''@''%'';')
  FROM information_schema.schemata
 WHERE schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema');
