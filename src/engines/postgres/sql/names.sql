-- What the oids of databases and roles stand for. Asked when an unknown oid turns up or a database is called otherwise, and every five minutes.
-- cost: below 0.1 ms; AccessShareLock on pg_database and pg_authid.
select /* dbsonde */
       'd' as kind
     , d.oid as oid
     , d.datname as name
     , d.datallowconn and not d.datistemplate and has_database_privilege(d.oid, 'connect') as enterable
  from pg_database d
union all
select 'r'
     , r.oid
     , r.rolname
     , false
  from pg_roles r
 limit 50000   -- more roles than that are resolved to their numbers
