-- Buffers that the background writer cleaned, and buffers that were given out.
-- cost: below 0.05 ms; no lock.
select /* dbsonde */
       pg_stat_get_bgwriter_buf_written_clean() as "written_bytes:blocks"
     , pg_stat_get_bgwriter_maxwritten_clean() as stopped_early
     , pg_stat_get_buf_alloc() as "allocated_bytes:blocks"
     , pg_stat_get_buf_written_backend() as "backend_written_bytes:blocks"   --? fn pg_stat_get_buf_written_backend
     , pg_stat_get_buf_fsync_backend() as backend_fsyncs                     --? fn pg_stat_get_buf_fsync_backend
     , pg_stat_get_bgwriter_stat_reset_time() as stats_reset
