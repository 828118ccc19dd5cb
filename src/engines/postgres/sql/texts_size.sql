-- How large the file of statement texts is; a login needs EXECUTE on pg_stat_file for it.
-- cost: below 0.05 ms; one stat() of a file.
-- needs: fn pg_stat_file
select /* dbsonde */
       size
  from pg_stat_file('pg_stat_tmp/pgss_query_texts.stat', true)
