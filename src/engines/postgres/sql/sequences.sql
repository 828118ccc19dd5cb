-- Sequences, how much of them is used up, and which column takes its values from them.
-- Without SELECT or USAGE on a sequence its value is unknown: pg_monitor does not bring that, pg_read_all_data (14 and later) does.
-- cost: 10 ms CPU at 1,000 readable sequences, 5 ms where none is; a RowExclusiveLock on each readable sequence, which only DROP and ALTER SEQUENCE would wait for.
-- from: s = pg_sequence
select /* dbsonde */
       c.oid as oid
     , n.nspname as schema
     , c.relname as sequence
     , d.refobjid as table_oid
     , d.refobjsubid as column_number
     , format_type(s.seqtypid, null) as data_type
     , s.seqcycle as cycles
     , s.seqincrement as increment
     , s.seqmin as lowest
     , s.seqmax as highest
     , v.last as last_value
     , case when s.seqincrement > 0 then (v.last::float8 - s.seqmin) / nullif(s.seqmax::float8 - s.seqmin, 0)
            else (s.seqmax::float8 - v.last) / nullif(s.seqmax::float8 - s.seqmin, 0)
       end as used_ratio
  from pg_sequence s
  join pg_class c on c.oid = s.seqrelid
  join pg_namespace n on n.oid = c.relnamespace
  left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
                       and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
 cross join lateral (select case when has_sequence_privilege(c.oid, 'select,usage')
                                  and c.relpersistence <> 't'   -- of other sessions
                                  and (c.relpersistence = 'p' or not pg_is_in_recovery())
                                 then pg_sequence_last_value(c.oid) end as last) v
 limit 20000   -- a lock each
