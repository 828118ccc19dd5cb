-- Whether commits wait for a replica, and what that has cost since the server started.
-- cost: 0.1 ms; no lock.
-- from: s = {status}
-- field: Rpl_semi_sync_source_status as waits_for_replica
-- field: Rpl_semi_sync_source_clients as replicas
-- field: Rpl_semi_sync_source_yes_tx as acknowledged
-- field: Rpl_semi_sync_source_no_tx as unacknowledged
-- field: Rpl_semi_sync_source_no_times as given_up
-- field: Rpl_semi_sync_source_tx_waits as waits
-- field: Rpl_semi_sync_source_tx_wait_time as "wait_seconds:us"
-- field: Rpl_semi_sync_source_wait_sessions as waiting
-- field: Rpl_semi_sync_replica_status as acknowledges
-- field: Rpl_semi_sync_master_status as waits_for_replica
-- field: Rpl_semi_sync_master_clients as replicas
-- field: Rpl_semi_sync_master_yes_tx as acknowledged
-- field: Rpl_semi_sync_master_no_tx as unacknowledged
-- field: Rpl_semi_sync_master_no_times as given_up
-- field: Rpl_semi_sync_master_tx_waits as waits
-- field: Rpl_semi_sync_master_tx_wait_time as "wait_seconds:us"
-- field: Rpl_semi_sync_master_wait_sessions as waiting
-- field: Rpl_semi_sync_slave_status as acknowledges
select /* dbsonde */ s.variable_name, s.variable_value
  from {status} s
 where s.variable_name in ({fields})
