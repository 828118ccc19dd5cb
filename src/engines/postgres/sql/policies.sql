-- Row security policies, without their conditions.
-- cost: below 0.1 ms without any; AccessShareLock on pg_policy.
-- from: p = pg_policy
select /* dbsonde */
       p.oid as oid
     , n.nspname as schema
     , c.relname as "table"
     , p.polname as policy
     , p.polrelid as table_oid
     , p.polcmd as command
     , p.polpermissive as is_permissive
     , p.polqual is not null as filters_reads
     , p.polwithcheck is not null as checks_writes
     , 0 = any (p.polroles) as is_public
     , c.relrowsecurity as is_enabled
  from pg_policy p
  join pg_class c on c.oid = p.polrelid
  join pg_namespace n on n.oid = c.relnamespace
 limit 20000   -- two for each of 10,000 tables
