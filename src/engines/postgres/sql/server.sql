-- What the server is: one row that changes with an upgrade, a failover or a restart.
-- cost: 0.05 ms; reads one page of pg_control.
-- from: s = pg_control_system()
-- from: c = pg_control_checkpoint()
-- from: i = pg_control_init()
select /* dbsonde */
       current_setting('server_version') as version
     , current_setting('server_version_num')::int8 as version_number
     , s.system_identifier as system_identifier
     , c.timeline_id as timeline
     , pg_is_in_recovery() as in_recovery
     , pg_postmaster_start_time() as started
     , pg_conf_load_time() as configured
     , c.checkpoint_time as last_checkpoint
     , i.data_page_checksum_version > 0 as checksums
     , s.catalog_version_no as catalog_version
     , i.database_block_size as block_bytes
     , i.bytes_per_wal_segment as wal_segment_bytes
     , age(c.oldest_xid) as xid_age
     , current_setting('max_connections')::int8 as connections_max
       -- From 16 on some are kept for a role as well.
     , current_setting('superuser_reserved_connections')::int8 + coalesce(current_setting('reserved_connections', true)::int8, 0) as reserved_connections
     , now() as asked
  from pg_control_system() s, pg_control_checkpoint() c, pg_control_init() i
