-- Keys and checks of users' tables.
-- cost: 3 ms CPU at 1,000 keys; AccessShareLock on pg_constraint and pg_class.
-- from: k = pg_constraint
select /* dbsonde */
       k.oid as oid
     , n.nspname as schema
     , c.relname as "table"
     , k.conname as "constraint"
     , k.contype as kind
     , k.conrelid as table_oid
     , k.conkey::text as columns
     , k.conindid as index_oid
     , k.confrelid as target_oid
     , k.confkey::text as target_columns
     , k.confdeltype as on_delete
     , k.confupdtype as on_update
     , k.condeferrable as is_deferrable
     , k.convalidated as is_validated
     , k.conenforced as is_enforced     --?
     , k.conparentid as parent_oid      --?
     , case when k.contype = 'c' then left(pg_get_constraintdef(k.oid), 250) end as definition   -- what a Name holds
  from pg_constraint k
  join pg_class c on c.oid = k.conrelid
  join pg_namespace n on n.oid = c.relnamespace
 where c.relnamespace not in (11, 99)
   and n.nspname <> 'information_schema'
   and k.contype in ('c', 'f', 'p', 'u', 'x')
 limit 100000   -- ten for each of 10,000 tables
