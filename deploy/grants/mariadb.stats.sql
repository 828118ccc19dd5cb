-- Tier stats on MariaDB 10.5 and later: what the server counts of itself. No row of a table.
--
-- Run it as an administrator; it may be run again. The login is locked until it has a password:
-- ALTER USER 'dbsonde'@'%' IDENTIFIED BY '…' ACCOUNT UNLOCK; Better than % is the address that dbsonde comes from.

-- dbsonde holds three connections at most; a second one of it, for a look, has room.
CREATE USER IF NOT EXISTS 'dbsonde'@'%' WITH MAX_USER_CONNECTIONS 6 ACCOUNT LOCK;

-- Sessions of all, the state of InnoDB, the state of replication.
GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'dbsonde'@'%';
-- Statements by digest, waits, the use of tables and indexes. Texts of statements with their literals are there as
-- well; dbsonde keeps none.
GRANT SELECT ON performance_schema.* TO 'dbsonde'@'%';
-- Sizes and numbers of rows, as the optimiser knows them.
GRANT SELECT ON mysql.innodb_table_stats TO 'dbsonde'@'%';
GRANT SELECT ON mysql.innodb_index_stats TO 'dbsonde'@'%';
-- What events there are and whether they are switched on; not what they run.
GRANT SELECT (db, name, status, interval_value, last_executed) ON mysql.event TO 'dbsonde'@'%';
