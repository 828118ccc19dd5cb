-- Checkpoints since 17, where the checkpointer has a view of its own.
-- cost: below 0.05 ms; no lock.
-- needs: fn pg_stat_get_checkpointer_num_timed
select /* dbsonde */
       pg_stat_get_checkpointer_num_timed() as timed
     , pg_stat_get_checkpointer_num_requested() as requested
     , pg_stat_get_checkpointer_num_performed() as done                        --? fn pg_stat_get_checkpointer_num_performed
     , pg_stat_get_checkpointer_restartpoints_timed() as restartpoints_timed
     , pg_stat_get_checkpointer_restartpoints_requested() as restartpoints_requested
     , pg_stat_get_checkpointer_restartpoints_performed() as restartpoints_done
     , pg_stat_get_checkpointer_buffers_written() as "written_bytes:blocks"
     , pg_stat_get_checkpointer_slru_written() as "slru_written_bytes:blocks"  --? fn pg_stat_get_checkpointer_slru_written
     , pg_stat_get_checkpointer_write_time() as "write_seconds:ms"
     , pg_stat_get_checkpointer_sync_time() as "sync_seconds:ms"
     , pg_stat_get_checkpointer_stat_reset_time() as stats_reset
