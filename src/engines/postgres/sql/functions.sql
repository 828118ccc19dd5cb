-- What functions in other languages than SQL and C cost; with track_functions.
-- cost: below 0.1 ms at 2 functions; AccessShareLock on pg_proc.
-- from: p = pg_proc
select /* dbsonde */
       p.oid as oid
     , n.nspname as schema
     , p.proname as function
     , case when p.prorettype = 2279 then 'trigger' when p.prokind = 'p' then 'procedure' else 'function' end as kind   --?
     , case when p.prorettype = 2279 then 'trigger' else 'function' end as kind
     , p.pronargs as arguments
     , pg_stat_get_function_calls(p.oid) as calls
     , pg_stat_get_function_total_time(p.oid) as "exec_seconds:ms"
     , pg_stat_get_function_self_time(p.oid) as "self_seconds:ms"
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
 where p.oid >= 16384   -- users' objects
   and pg_stat_get_function_calls(p.oid) is not null
 limit 10000   -- more series than anybody reads
