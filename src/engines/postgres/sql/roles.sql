-- Who may log in and what they may do. Never their passwords.
-- cost: 0.05 ms at 18 roles; of our own login at most 1,000 tables are asked about, 0.7 ms at 400; AccessShareLock on pg_authid and pg_class.
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
     , r.rolname = current_user as is_ours
     , case when r.rolname = current_user and not r.rolsuper then concat_ws(', '
         , case when has_database_privilege(current_database(), 'create') then 'creates schemas' end
         , case when exists (
             select from (select c.oid
                            from pg_class c
                            join pg_namespace n on n.oid = c.relnamespace
                           where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
                           limit 1000) t
              where has_table_privilege(t.oid, 'insert, update, delete, truncate')) then 'writes to tables' end
         , (select string_agg(m.rolname, ', ' order by m.rolname)
              from pg_roles m
             where m.rolname in ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program',
                                 'rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin')
               and pg_has_role(r.oid, m.oid, 'member'))) end as writes
  from pg_roles r
 limit 20000   -- more logins than a server should have
