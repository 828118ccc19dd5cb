-- Who may log in and what they may do. Never their passwords.
-- cost: 0.05 ms at 18 roles; AccessShareLock on pg_authid.
-- from: r = pg_roles
select /* dbsonde */
       r.oid as oid
     , r.rolname as role
     , r.rolsuper as is_superuser
     , r.rolcreaterole as creates_roles
     , r.rolcreatedb as creates_databases
     , r.rolreplication as replicates
     , r.rolbypassrls as bypasses_row_security
     , r.rolcanlogin as can_login
     , r.rolconnlimit as connections_max
     , r.rolvaliduntil as valid_until
  from pg_roles r
 limit 20000   -- more logins than a server should have
