-- Is dbsonde.explain in this database, and is it the one of tier advise? Its owner is a role that nobody is, so nobody
-- but a superuser can have put another function in its place.
-- cost: 0.1 ms; no lock beyond the catalogue's own.
select /* dbsonde */
       exists (select
                 from pg_proc p
                 join pg_namespace n on n.oid = p.pronamespace
                where n.nspname = 'dbsonde'
                  and p.proname = 'explain'
                  and p.proowner = to_regrole('dbsonde_owner')
                  and has_schema_privilege(n.oid, 'usage')
                  and has_function_privilege(p.oid, 'execute')) as explainable
