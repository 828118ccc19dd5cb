-- Who is answering, for a login that may not read pg_control.
-- cost: below 0.05 ms; no lock.
select /* dbsonde */
       pg_is_in_recovery() as in_recovery
     , pg_postmaster_start_time() as started
     , pg_stat_get_bgwriter_stat_reset_time() as stats_reset
     , inet_server_addr() as address
     , inet_server_port() as port
     , now() as asked
