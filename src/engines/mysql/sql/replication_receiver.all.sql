-- The same as MariaDB said it before.
-- cost: 0.1 ms without a source, 0.5 to 2 ms with one; no lock that STOP SLAVE holds while it waits (tried on 10.5 and 11.8).
-- from: v = @@global
-- needs: v.gtid_slave_pos
show /* dbsonde */ all slaves status
