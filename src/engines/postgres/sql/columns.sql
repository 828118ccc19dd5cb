-- The columns of users' tables.
-- cost: 12 ms CPU at 4,000 columns; AccessShareLock on pg_attribute and pg_class.
-- from: a = pg_attribute
select /* dbsonde */
       a.attrelid as table_oid
     , a.attnum as position
     , n.nspname as schema
     , c.relname as "table"
     , a.attname as "column"
     , format_type(a.atttypid, a.atttypmod) as data_type
     , a.atttypid as type_oid
     , a.attnotnull as not_null
     , a.atthasdef as has_default
     , a.attidentity as identity
     , a.attgenerated as generated         --?
     , a.attstorage as storage
     , a.attcompression as compression     --?
     , a.attcollation as collation_oid
     , a.attstattarget as statistics_target
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm')
   and c.relnamespace not in (11, 99)
   and n.nspname <> 'information_schema'
   and a.attnum between 1 and 400   -- nobody reads advice on the 401st column
   and not a.attisdropped
 limit 200000   -- twenty for each of 10,000 tables
