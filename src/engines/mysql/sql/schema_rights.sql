-- Who may write to which schema, beyond what he may everywhere. Who has no right to read `mysql` sees its own rights alone.
-- cost: 0.1 ms CPU at five accounts; no lock.
-- from: p = information_schema.schema_privileges
select /* dbsonde */
       p.grantee as role
     , p.table_schema as "schema"
     , group_concat(p.privilege_type order by p.privilege_type separator ', ') as rights
  from information_schema.schema_privileges p
 where p.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'ALTER', 'INDEX', 'TRIGGER', 'EVENT', 'CREATE VIEW', 'CREATE ROUTINE', 'ALTER ROUTINE', 'DELETE HISTORY')
 group by p.grantee, p.table_schema
 limit 50000   -- more than an account should have
