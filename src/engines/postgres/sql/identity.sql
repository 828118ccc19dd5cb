-- Who is answering, and since when: what the epoch of the server's statistics is made of.
-- cost: 0.05 ms; reads one page of pg_control.
-- needs: fn pg_control_system
-- from: s = pg_control_system()
-- from: c = pg_control_checkpoint()
select /* dbsonde */
       s.system_identifier as system_identifier
     , c.timeline_id as timeline
     , pg_is_in_recovery() as in_recovery
     , pg_postmaster_start_time() as started
     , pg_stat_get_bgwriter_stat_reset_time() as stats_reset
     , inet_server_addr() as address
     , inet_server_port() as port
     , now() as asked
  from pg_control_system() s, pg_control_checkpoint() c
