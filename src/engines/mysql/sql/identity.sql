-- Since when the server runs, and whether it follows another member of a group.
-- cost: 0.1 to 0.2 ms; no lock.
-- from: s = {status}
-- maybe: g = performance_schema.replication_group_members
select /* dbsonde */
       unix_timestamp() as now
     , (select count(*) from performance_schema.replication_group_members g where g.member_id = @@global.server_uuid and g.member_role = 'SECONDARY') as follows   --?
     , s.variable_value as uptime
  from {status} s
 where s.variable_name = 'Uptime'
