-- Tier full on MariaDB 10.5 and later, on top of stats: dbsonde may read every table of every schema, now and later. The server's own
-- are among them, with the hashes of passwords, and the slow log where it is kept as a table. It still writes nothing.
--
-- Run mariadb.stats.sql first.

GRANT SELECT, SHOW VIEW ON *.* TO 'dbsonde'@'%';
