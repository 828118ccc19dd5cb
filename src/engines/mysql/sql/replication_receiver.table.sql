-- The same as a table, from MariaDB 11.6 on.
-- cost: 0.2 ms; no lock that STOP SLAVE holds while it waits (tried).
-- from: s = information_schema.slave_status
select /* dbsonde */
       s.connection_name as connection_name
     , s.master_host as master_host
     , s.master_log_file as master_log_file
     , s.read_master_log_pos as read_master_log_pos
     , s.relay_master_log_file as relay_master_log_file
     , s.exec_master_log_pos as exec_master_log_pos
     , s.relay_log_space as relay_log_space
     , s.slave_io_running as slave_io_running
     , s.slave_sql_running as slave_sql_running
     , s.last_io_errno as last_io_errno
     , s.last_sql_errno as last_sql_errno
     , s.seconds_behind_master as seconds_behind_master
     , s.sql_delay as sql_delay
     , s.gtid_io_pos as gtid_io_pos
     , s.gtid_slave_pos as gtid_slave_pos
  from information_schema.slave_status s
