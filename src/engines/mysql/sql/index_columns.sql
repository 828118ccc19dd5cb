-- What indexes are made of. A server without a dictionary opens every table that it is asked about: there it is asked only of tables that are open.
-- cost: with a dictionary, at 30,000 indexes of 10,000 tables 300 ms CPU (MySQL 9.7); without one 0.05 ms a table; no lock of a user's.
-- from: x = information_schema.statistics
select /* dbsonde */
       x.table_name as "table"
     , x.index_name as "index"
     , x.non_unique = 0 as is_unique
     , x.column_name as "column"
     , x.sub_part as prefix
     , x.collation = 'D' as is_descending
     , lower(x.index_type) as method
     , x.is_visible = 'YES' as is_visible                                        --?
     , case when x.is_visible = 'NO' then ' INVISIBLE' else '' end as hidden     --?
     , x.ignored = 'NO' as is_visible                                            --?
     , case when x.ignored = 'YES' then ' IGNORED' else '' end as hidden         --?
     , x.expression as expression                                                --?
  from information_schema.statistics x
 where x.table_schema = {database} {of_table}
 order by x.table_name, x.index_name, x.seq_in_index
 limit 1000000   -- three columns for each index that we promise to watch
