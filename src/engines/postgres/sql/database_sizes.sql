-- The size of the database $1 (oid). Without CONNECT on it, or pg_read_all_stats, it is unknown.
-- cost: 13 ms CPU at 1,000 tables and 3,000 indexes: a stat() for each of its files; no lock on any table.
-- from: d = pg_database
select /* dbsonde */
       d.oid as dbid
     , d.datname as database
     , case when has_database_privilege(d.oid, 'connect') or pg_has_role('pg_read_all_stats', 'member')
            then pg_database_size(d.oid) end as size_bytes
  from pg_database d
 where d.oid = $1
 limit 1   -- one at a time
