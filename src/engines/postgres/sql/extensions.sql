-- Installed extensions, and the version that the server could install.
-- cost: 0.8 ms; the server reads every control file, so rarely. One damaged control file of any extension fails it.
-- from: e = pg_extension
select /* dbsonde */
       e.oid as oid
     , e.extname as extension
     , n.nspname as schema
     , e.extversion as version
     , a.default_version as available_version
  from pg_extension e
  join pg_namespace n on n.oid = e.extnamespace
  left join pg_available_extensions() a on a.name = e.extname
 limit 1000   -- several times what exists
