-- What the server copies and how far it has got, a row for each source; none on a server that copies nobody.
-- It is counted among the statements as SHOW: no mark of ours reaches it. The texts of its errors are thrown away unread.
-- cost: 0.1 ms without a source, 0.3 to 1 ms with one; no lock that STOP REPLICA holds while it waits (tried).
-- from: v = @@global
-- needs: v.replica_parallel_workers
show /* dbsonde */ replica status
