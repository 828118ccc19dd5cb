-- Collations whose library has changed since indexes were built with them. Of those in use by a column, and of the database.
-- cost: 8 ms CPU at 1,000 tables; AccessShareLock on pg_collation and pg_depend.
-- from: c = pg_collation
select /* dbsonde */
       c.oid as oid
     , n.nspname as schema
     , c.collname as "collation"
     , c.collprovider as provider
     , c.collversion as recorded_version
     , pg_collation_actual_version(c.oid) as actual_version
  from pg_collation c
  join pg_namespace n on n.oid = c.collnamespace
 where c.collversion is not null
   and exists (select from pg_attribute a where a.attcollation = c.oid and a.attrelid >= 16384)
 union all select d.oid, 'pg_catalog', 'default', d.datlocprovider, d.datcollversion, pg_database_collation_actual_version(d.oid) from pg_database d where d.datname = current_database() and d.datcollversion is not null   --? fn pg_database_collation_actual_version
 limit 1000   -- in use, of eight hundred or so that exist
