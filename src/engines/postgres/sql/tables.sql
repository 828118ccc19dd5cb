-- Every table, materialised view and partitioned table of this database, with its TOAST table's share. Functions on oids: the view would also join and group every index.
-- Scans through indexes are counted with the indexes.
-- cost: 8 ms CPU at 1,000 tables, 88 ms at 10,000; AccessShareLock on pg_class, pg_namespace, pg_inherits and pg_partitioned_table, none on the tables.
-- from: c = pg_class
-- from: t = pg_class
select /* dbsonde */
       c.oid as oid
     , n.nspname as schema
     , c.relname as "table"
     , c.relkind as kind
     , c.relpersistence as persistence
     , c.relowner as owner_oid
     , c.relfilenode as file_node
     , c.relispartition as is_partition
     , h.inhparent as parent_oid
     , k.partattrs::text as partition_key
     , c.reloptions as options
     , c.relrowsecurity as row_security
     , c.relreplident as replica_identity
     , c.relpages as "size_bytes:blocks"
     , c.reltuples as rows
     , c.relallvisible as "all_visible_bytes:blocks"
     , c.relallfrozen as "all_frozen_bytes:blocks"     --?
     , case when c.relfrozenxid <> '0' then age(c.relfrozenxid) end as xid_age
     , case when c.relminmxid <> '0' then mxid_age(c.relminmxid) end as mxid_age
     , t.relpages as "toast_size_bytes:blocks"
     , t.reltuples as toast_rows
     , age(t.relfrozenxid) as toast_xid_age
     , mxid_age(t.relminmxid) as toast_mxid_age
     , t.reloptions as toast_options
     , pg_stat_get_dead_tuples(t.oid) as toast_dead_rows
     , pg_stat_get_last_autovacuum_time(t.oid) as toast_last_autovacuum
     , pg_stat_get_blocks_hit(t.oid) as "toast_hit_bytes:blocks"
     , pg_stat_get_blocks_fetched(t.oid) - pg_stat_get_blocks_hit(t.oid) as "toast_read_bytes:blocks"
     , pg_stat_get_numscans(c.oid) as sequential_scans
     , pg_stat_get_tuples_returned(c.oid) as sequential_rows
     , pg_stat_get_tuples_fetched(c.oid) as fetched_rows
     , pg_stat_get_tuples_inserted(c.oid) as inserted_rows
     , pg_stat_get_tuples_updated(c.oid) as updated_rows
     , pg_stat_get_tuples_deleted(c.oid) as deleted_rows
     , pg_stat_get_tuples_hot_updated(c.oid) as hot_updated_rows
     , pg_stat_get_tuples_newpage_updated(c.oid) as new_page_updated_rows   --? fn pg_stat_get_tuples_newpage_updated
     , pg_stat_get_live_tuples(c.oid) as live_rows
     , pg_stat_get_dead_tuples(c.oid) as dead_rows
     , pg_stat_get_mod_since_analyze(c.oid) as modified_since_analyze_rows
     , pg_stat_get_ins_since_vacuum(c.oid) as inserted_since_vacuum_rows    --? fn pg_stat_get_ins_since_vacuum
     , pg_stat_get_blocks_hit(c.oid) as "hit_bytes:blocks"
     , pg_stat_get_blocks_fetched(c.oid) - pg_stat_get_blocks_hit(c.oid) as "read_bytes:blocks"
     , pg_stat_get_vacuum_count(c.oid) as vacuums
     , pg_stat_get_autovacuum_count(c.oid) as autovacuums
     , pg_stat_get_analyze_count(c.oid) as analyzes
     , pg_stat_get_autoanalyze_count(c.oid) as autoanalyzes
     , pg_stat_get_total_vacuum_time(c.oid) as "vacuum_seconds:ms"            --? fn pg_stat_get_total_vacuum_time
     , pg_stat_get_total_autovacuum_time(c.oid) as "autovacuum_seconds:ms"    --? fn pg_stat_get_total_autovacuum_time
     , pg_stat_get_total_analyze_time(c.oid) as "analyze_seconds:ms"          --? fn pg_stat_get_total_analyze_time
     , pg_stat_get_total_autoanalyze_time(c.oid) as "autoanalyze_seconds:ms"  --? fn pg_stat_get_total_autoanalyze_time
     , pg_stat_get_last_vacuum_time(c.oid) as last_vacuum
     , pg_stat_get_last_autovacuum_time(c.oid) as last_autovacuum
     , pg_stat_get_last_analyze_time(c.oid) as last_analyze
     , pg_stat_get_last_autoanalyze_time(c.oid) as last_autoanalyze
     , pg_stat_get_lastscan(c.oid) as last_sequential_scan                    --? fn pg_stat_get_lastscan
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_class t on t.oid = c.reltoastrelid and c.reltoastrelid <> 0
  left join pg_inherits h on h.inhrelid = c.oid and c.relispartition
  left join pg_partitioned_table k on k.partrelid = c.oid and c.relkind = 'p'
 where c.relkind in ('r', 'm', 'p')
 limit 100000   -- the most tables that we promise to watch; one more than fits means: not complete
