-- Checkpoints until 16, where the background writer's view tells of them.
-- cost: below 0.05 ms; no lock.
-- needs: fn pg_stat_get_bgwriter_timed_checkpoints
select /* dbsonde */
       pg_stat_get_bgwriter_timed_checkpoints() as timed
     , pg_stat_get_bgwriter_requested_checkpoints() as requested
     , pg_stat_get_bgwriter_buf_written_checkpoints() as "written_bytes:blocks"
     , pg_stat_get_checkpoint_write_time() as "write_seconds:ms"
     , pg_stat_get_checkpoint_sync_time() as "sync_seconds:ms"
     , pg_stat_get_bgwriter_stat_reset_time() as stats_reset
