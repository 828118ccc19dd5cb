-- Since when the server runs and whether it takes writes.
-- cost: 0.1 to 0.2 ms; no lock.
-- from: s = {status}
select /* dbsonde */
       unix_timestamp() as now
     , @@global.read_only as read_only
     , s.variable_value as uptime
  from {status} s
 where s.variable_name = 'Uptime'
