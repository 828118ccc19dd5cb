-- What happened in each database. The functions under pg_stat_database, so that it and its conflicts are one pass.
-- The row of shared objects (datid 0) is left out.
-- cost: 0.1 ms at 4 databases, about 20 us each; AccessShareLock on pg_database.
-- from: d = pg_database
select /* dbsonde */
       d.oid as dbid
     , d.datname as database
     , d.datistemplate as is_template
     , d.datallowconn as allows_connections
     , d.datcollate as "collation"
     , d.datlocprovider as locale_provider                                       --?
     , d.datconnlimit as connections_max
     , age(d.datfrozenxid) as xid_age
     , mxid_age(d.datminmxid) as mxid_age
     , pg_stat_get_db_numbackends(d.oid) as connections
     , pg_stat_get_db_xact_commit(d.oid) as commits
     , pg_stat_get_db_xact_rollback(d.oid) as rollbacks
     , pg_stat_get_db_blocks_hit(d.oid) as "hit_bytes:blocks"
     , pg_stat_get_db_blocks_fetched(d.oid) - pg_stat_get_db_blocks_hit(d.oid) as "read_bytes:blocks"
     , pg_stat_get_db_blk_read_time(d.oid) as "read_seconds:ms"
     , pg_stat_get_db_blk_write_time(d.oid) as "write_seconds:ms"
     , pg_stat_get_db_tuples_returned(d.oid) as rows_returned
     , pg_stat_get_db_tuples_fetched(d.oid) as rows_fetched
     , pg_stat_get_db_tuples_inserted(d.oid) as rows_inserted
     , pg_stat_get_db_tuples_updated(d.oid) as rows_updated
     , pg_stat_get_db_tuples_deleted(d.oid) as rows_deleted
     , pg_stat_get_db_temp_files(d.oid) as temp_files
     , pg_stat_get_db_temp_bytes(d.oid) as temp_bytes
     , pg_stat_get_db_deadlocks(d.oid) as deadlocks
     , pg_stat_get_db_conflict_tablespace(d.oid) as tablespace_conflicts
     , pg_stat_get_db_conflict_lock(d.oid) as lock_conflicts
     , pg_stat_get_db_conflict_snapshot(d.oid) as snapshot_conflicts
     , pg_stat_get_db_conflict_bufferpin(d.oid) as pin_conflicts
     , pg_stat_get_db_conflict_startup_deadlock(d.oid) as deadlock_conflicts
     , pg_stat_get_db_conflict_logicalslot(d.oid) as slot_conflicts                --? fn pg_stat_get_db_conflict_logicalslot
     , pg_stat_get_db_checksum_failures(d.oid) as checksum_failures                --? fn pg_stat_get_db_checksum_failures
     , pg_stat_get_db_checksum_last_failure(d.oid) as last_checksum_failure        --? fn pg_stat_get_db_checksum_last_failure
     , pg_stat_get_db_sessions(d.oid) as sessions                                  --? fn pg_stat_get_db_sessions
     , pg_stat_get_db_sessions_abandoned(d.oid) as sessions_abandoned              --? fn pg_stat_get_db_sessions_abandoned
     , pg_stat_get_db_sessions_fatal(d.oid) as sessions_fatal                      --? fn pg_stat_get_db_sessions_fatal
     , pg_stat_get_db_sessions_killed(d.oid) as sessions_killed                    --? fn pg_stat_get_db_sessions_killed
     , pg_stat_get_db_session_time(d.oid) as "session_seconds:ms"                  --? fn pg_stat_get_db_session_time
     , pg_stat_get_db_active_time(d.oid) as "active_seconds:ms"                    --? fn pg_stat_get_db_active_time
     , pg_stat_get_db_idle_in_transaction_time(d.oid) as "idle_in_transaction_seconds:ms"   --? fn pg_stat_get_db_idle_in_transaction_time
     , pg_stat_get_db_parallel_workers_to_launch(d.oid) as parallel_workers_wanted --? fn pg_stat_get_db_parallel_workers_to_launch
     , pg_stat_get_db_parallel_workers_launched(d.oid) as parallel_workers_launched --? fn pg_stat_get_db_parallel_workers_launched
     , pg_stat_get_db_stat_reset_time(d.oid) as stats_reset
  from pg_database d
 limit 10000   -- ten times the databases that we promise to watch
