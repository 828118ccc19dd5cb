-- Which transactions wait for a lock on a row, and behind which: all who came before, so the work grows with the square.
-- cost: 3 ms with 50 waiting for one row, 40 ms with 200; asked only when somebody waits. InnoDB's locks stand still while they are looked through, 256 transactions at a time.
-- from: w = performance_schema.data_lock_waits
-- from: l = performance_schema.data_locks
select /* dbsonde */
       queue.waiting as waiting
     , queue.blocking as blocking
     , l.lock_mode as mode
     , l.object_schema as "schema"
     , l.object_name as name
  from (select w.requesting_engine_transaction_id as waiting
             , group_concat(w.blocking_engine_transaction_id) as blocking
             , min(w.requesting_engine_lock_id) as lock_id
          from performance_schema.data_lock_waits w
         group by w.requesting_engine_transaction_id
         limit 500) queue   -- a longer queue has the same root
  left join performance_schema.data_locks l on l.engine_lock_id = queue.lock_id
