-- Statistics of several columns together: of which, and of what kind. None of their values.
-- cost: below 0.1 ms without any, 1.2 ms at 1,000; AccessShareLock on pg_statistic_ext and pg_class.
-- from: s = pg_statistic_ext
select /* dbsonde */
       s.oid as oid
     , n.nspname as schema
     , s.stxname as statistics
     , c.relname as "table"
     , s.stxrelid as table_oid
     , s.stxkeys::text as columns
     , s.stxkind::text as kinds
  from pg_statistic_ext s
  join pg_class c on c.oid = s.stxrelid
  join pg_namespace n on n.oid = s.stxnamespace
 limit 10000   -- one for each table
