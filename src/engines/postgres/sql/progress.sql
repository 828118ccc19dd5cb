-- How far long commands have got, in one shape for all of them.
-- cost: 0.1 ms; no lock but the process list's.
select /* dbsonde */
       p.pid as pid
     , p.datid as dbid
     , p.relid as relation_oid
     , p.command as command
     , p.phase as phase
     , p.done * p.size as done_bytes
     , p.total * p.size as all_bytes
     , p.done::float8 / nullif(p.total, 0) as done_ratio
     , p.passes as index_passes
  from (select v.pid, v.datid, v.relid, 'VACUUM' as command, v.phase
             , v.heap_blks_scanned as done, v.heap_blks_total as total
             , v.index_vacuum_count as passes, current_setting('block_size')::int8 as size
          from pg_stat_progress_vacuum v
        union all select pid, datid, relid, 'ANALYZE', phase, sample_blks_scanned, sample_blks_total, null, current_setting('block_size')::int8 from pg_stat_progress_analyze   --? pg_stat_progress_analyze
        union all select pid, datid, relid, command, phase, blocks_done, blocks_total, null, current_setting('block_size')::int8 from pg_stat_progress_create_index             --? pg_stat_progress_create_index
        union all select pid, datid, relid, command, phase, heap_blks_scanned, heap_blks_total, null, current_setting('block_size')::int8 from pg_stat_progress_cluster         --? pg_stat_progress_cluster
        union all select pid, null, null, 'BASE BACKUP', phase, backup_streamed, backup_total, null, 1 from pg_stat_progress_basebackup                                         --? pg_stat_progress_basebackup
        union all select pid, datid, relid, command, type, bytes_processed, nullif(bytes_total, 0), null, 1 from pg_stat_progress_copy                                          --? pg_stat_progress_copy
       ) p
 limit 1000   -- a long command needs a session of its own
