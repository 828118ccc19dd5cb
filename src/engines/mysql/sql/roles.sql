-- Accounts and what they may do to the whole server. Who has no right to read `mysql` sees its own alone. No password, nor its hash, is asked for.
-- cost: 0.5 ms CPU at five accounts; no lock.
-- from: p = information_schema.user_privileges
select /* dbsonde */
       p.grantee as "role,oid:hash"
     , max(p.privilege_type = 'SUPER') as "is_superuser:bool"
     , max(p.privilege_type = 'CREATE USER') as "creates_roles:bool"
     , max(p.privilege_type = 'CREATE') as "creates_databases:bool"
     , max(p.privilege_type = 'REPLICATION SLAVE') as "replicates:bool"
     , p.grantee = concat('''', replace(substring_index(current_user(), '@', 1), '''', ''''''), '''@''', substring_index(current_user(), '@', -1), '''') as "is_ours:bool"
     , group_concat(case when p.privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'ALTER', 'INDEX', 'TRIGGER', 'EVENT', 'FILE', 'SHUTDOWN', 'SUPER', 'CREATE USER', 'SYSTEM_VARIABLES_ADMIN', 'DELETE HISTORY')
                         then p.privilege_type end order by p.privilege_type separator ', ') as writes
  from information_schema.user_privileges p
 group by p.grantee
 limit 20000   -- more accounts than a server should have
