-- The statements that create the indexes of $1 (oid[]).
-- cost: 0.02 ms an index; AccessShareLock on the index for that moment, so a locked one costs lock_timeout.
select /* dbsonde */
       x.indexrelid as oid
     , pg_get_indexdef(x.indexrelid) as definition
  from pg_index x
 where x.indexrelid = any ($1)
 limit 100   -- questions come in batches no larger
