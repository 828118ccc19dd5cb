-- The cluster that the server writes together with, and what holds its members back.
-- cost: 0.1 ms without a cluster; in one of a single node the same (MariaDB 10.11).
-- from: s = {status}
-- from: v = @@global
-- needs: v.wsrep_cluster_address
-- field: wsrep_cluster_status as galera.cluster_status
-- field: wsrep_local_state_comment as galera.state
-- field: wsrep_cluster_size as galera.members
-- field: wsrep_ready as galera.ready
-- field: wsrep_connected as galera.connected
-- field: wsrep_local_recv_queue as galera.receive_queue
-- field: wsrep_local_send_queue as galera.send_queue
-- field: wsrep_flow_control_paused_ns as "galera.paused_seconds:ns"
-- field: wsrep_flow_control_sent as galera.pauses_asked
-- field: wsrep_flow_control_recv as galera.pauses
-- field: wsrep_local_cert_failures as galera.conflicts
-- field: wsrep_local_bf_aborts as galera.aborted_transactions
-- field: wsrep_replicated as galera.sent_writes
-- field: wsrep_replicated_bytes as galera.sent_bytes
-- field: wsrep_received as galera.received_writes
-- field: wsrep_received_bytes as galera.received_bytes
-- field: wsrep_last_committed as galera.committed
select /* dbsonde */ s.variable_name, s.variable_value
  from {status} s
 where s.variable_name in ({fields})
   and @@wsrep_on = 1   -- of Percona XtraDB Cluster a session has it, and nobody else
