-- Every index on a user's table: its use, its size, and what two indexes must share to be duplicates.
-- cost: 17 ms CPU at 3,000 indexes on 1,000 tables, 240 ms at 30,000, and for each invalid one a look at the builds that run; AccessShareLock on the catalogue's own tables, none on the indexes.
-- from: x = pg_index
-- from: c = pg_class
select /* dbsonde */
       c.oid as oid
     , n.nspname as schema
     , t.relname as "table"
     , c.relname as "index"
     , t.oid as table_oid
     , c.relkind as kind
     , c.relpersistence as persistence
     , c.relfilenode as file_node
     , m.amname as access_method
     , h.inhparent as parent_oid
     , c.reloptions as options
     , x.indisunique as is_unique
     , x.indisprimary as is_primary
     , x.indisexclusion as is_exclusion
     , x.indimmediate as is_immediate
     , x.indisclustered as is_clustered
     , x.indisvalid as is_valid
     , x.indisready as is_ready
     -- Asked in the same moment as the line above. A build whose table we may not see could be of any table.
     , not x.indisvalid and exists (select from pg_stat_progress_create_index p where coalesce(p.relid, t.oid) = t.oid and coalesce(p.datname, current_database()) = current_database()) as is_being_built   --? pg_stat_progress_create_index
     , x.indisreplident as is_replica_identity
     , x.indnullsnotdistinct as nulls_not_distinct   --?
     , x.indnkeyatts as key_columns                  --?
     , x.indkey::text as columns   -- as text: a quarter of the bytes of the array
     , x.indclass::text as operator_classes
     , x.indcollation::text as collations
     , x.indoption::text as column_options
     , x.indexprs is not null as has_expressions
     , x.indpred is not null as has_predicate
     -- Before 17 the stored tree remembers where in its CREATE INDEX each word stood.
     , md5(regexp_replace(x.indexprs::text, ':location -?[0-9]+', '', 'g')) as expressions_hash
     , md5(regexp_replace(x.indpred::text, ':location -?[0-9]+', '', 'g')) as predicate_hash
     , k.owns is true as backs_constraint
     , k.referenced is true as backs_foreign_key
     , c.relpages as "size_bytes:blocks"
     , c.reltuples as rows
     , pg_stat_get_numscans(c.oid) as scans
     , pg_stat_get_tuples_returned(c.oid) as read_entries
     , pg_stat_get_tuples_fetched(c.oid) as fetched_rows
     , pg_stat_get_blocks_hit(c.oid) as "hit_bytes:blocks"
     , pg_stat_get_blocks_fetched(c.oid) - pg_stat_get_blocks_hit(c.oid) as "read_bytes:blocks"
     , pg_stat_get_lastscan(c.oid) as last_scan      --? fn pg_stat_get_lastscan
  from pg_index x
  join pg_class c on c.oid = x.indexrelid
  join pg_class t on t.oid = x.indrelid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_am m on m.oid = c.relam
  left join pg_inherits h on h.inhrelid = c.oid
  left join (select conindid
                  , bool_or(contype in ('p', 'u', 'x')) as owns
                  , bool_or(contype = 'f') as referenced
               from pg_constraint
              where conindid <> 0
              group by conindid) k on k.conindid = c.oid
 where c.relnamespace not in (11, 99)   -- pg_catalog and pg_toast: nobody may drop those
 limit 300000   -- three for each table that we promise to watch
