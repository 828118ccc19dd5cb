-- The same as MySQL said it before 8.0.26.
-- cost: as the newer words.
-- from: v = @@global
-- needs: v.slave_parallel_workers
show /* dbsonde */ slave status
