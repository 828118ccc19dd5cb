-- What each normalised statement has cost one user in one database since its counting began.
-- Rows of other users come without s.queryid when the login lacks pg_read_all_stats: the engine makes a gap of them.
-- cost: 16 ms CPU at 4,900 digests with all columns of 17 (5 ms of it to walk the table, 6 more for twenty columns); the shared lock of pg_stat_statements while it walks its hash table. Never the texts: their file can be hundreds of megabytes.
-- from: s = pg_stat_statements(boolean)
select /* dbsonde */
       s.dbid as dbid
     , s.userid as userid
     , s.queryid as server_digest
     , s.toplevel as toplevel   --?
     , s.calls as calls
     , s.rows as rows
     , s.total_time      as "exec_seconds:ms"   --?
     , s.total_exec_time as "exec_seconds:ms"   --?
     , s.min_time      as "min_exec_seconds:ms"   --?
     , s.min_exec_time as "min_exec_seconds:ms"   --?
     , s.max_time      as "max_exec_seconds:ms"   --?
     , s.max_exec_time as "max_exec_seconds:ms"   --?
     , s.stddev_time      as "stddev_exec_seconds:ms"   --?
     , s.stddev_exec_time as "stddev_exec_seconds:ms"   --?
     , s.plans           as plans                       --?
     , s.total_plan_time as "plan_seconds:ms"           --?
     , s.shared_blks_hit     as "shared_hit_bytes:blocks"
     , s.shared_blks_read    as "shared_read_bytes:blocks"
     , s.shared_blks_dirtied as "shared_dirtied_bytes:blocks"
     , s.shared_blks_written as "shared_written_bytes:blocks"
     , s.local_blks_hit      as "local_hit_bytes:blocks"
     , s.local_blks_read     as "local_read_bytes:blocks"
     , s.local_blks_dirtied  as "local_dirtied_bytes:blocks"
     , s.local_blks_written  as "local_written_bytes:blocks"
     , s.temp_blks_read      as "temp_read_bytes:blocks"
     , s.temp_blks_written   as "temp_written_bytes:blocks"
     , s.blk_read_time         as "shared_read_seconds:ms"    --?
     , s.blk_write_time        as "shared_write_seconds:ms"   --?
     , s.shared_blk_read_time  as "shared_read_seconds:ms"    --?
     , s.shared_blk_write_time as "shared_write_seconds:ms"   --?
     , s.local_blk_read_time   as "local_read_seconds:ms"     --?
     , s.local_blk_write_time  as "local_write_seconds:ms"    --?
     , s.temp_blk_read_time    as "temp_read_seconds:ms"      --?
     , s.temp_blk_write_time   as "temp_write_seconds:ms"     --?
     , s.wal_records      as wal_records        --?
     , s.wal_fpi          as wal_full_images    --?
     , s.wal_bytes        as wal_bytes          --?
     , s.wal_buffers_full as wal_buffers_full   --?
     , s.jit_functions          as jit_functions                  --?
     , s.jit_generation_time    as "jit_generation_seconds:ms"    --?
     , s.jit_inlining_count     as jit_inlinings                  --?
     , s.jit_inlining_time      as "jit_inlining_seconds:ms"      --?
     , s.jit_optimization_count as jit_optimizations              --?
     , s.jit_optimization_time  as "jit_optimization_seconds:ms"  --?
     , s.jit_emission_count     as jit_emissions                  --?
     , s.jit_emission_time      as "jit_emission_seconds:ms"      --?
     , s.jit_deform_count       as jit_deforms                    --?
     , s.jit_deform_time        as "jit_deform_seconds:ms"        --?
     , s.parallel_workers_to_launch as parallel_workers_wanted    --?
     , s.parallel_workers_launched  as parallel_workers_launched  --?
     , s.generic_plan_calls as generic_plan_calls   --?
     , s.custom_plan_calls  as custom_plan_calls    --?
     , s.stats_since        as stats_since          --?
     , s.minmax_stats_since as minmax_since         --?
  from {pgss}.pg_stat_statements(false) s
 -- No limit: pg_stat_statements.max bounds the rows, and a difference of two limited sets lies.
