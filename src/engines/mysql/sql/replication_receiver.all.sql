-- The same as MariaDB said it before.
-- cost: 0.1 ms without a source, 0.5 to 2 ms with one; no lock of a user's; not tried while STOP SLAVE waits.
-- from: v = @@global
-- needs: v.gtid_slave_pos
show /* dbsonde */ all slaves status
