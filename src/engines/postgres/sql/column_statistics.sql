-- What the planner knows of each column, without any of its values. Only of tables that the login may read: pg_monitor brings none, pg_read_all_data (14 and later) all.
-- cost: 24 ms CPU at 4,000 columns; AccessShareLock on pg_statistic.
-- from: s = pg_stats
select /* dbsonde */
       s.schemaname as schema
     , s.tablename as "table"
     , s.attname as "column"
     , s.inherited as is_inherited
     , s.null_frac as null_ratio
     , s.avg_width as width_bytes
     , s.n_distinct as distinct_values
     , s.correlation as correlation
     , cardinality(s.most_common_freqs) as common_values
     , s.most_common_freqs[1] as most_common_ratio
  from pg_stats s
 where s.schemaname not in ('pg_catalog', 'information_schema')
 limit 200000   -- as many as columns.sql reads
