-- The tables beside the slow log whose names begin like its own: where one is that was renamed. Asked when it is no
-- longer the one that it was.
-- cost: 0.2 ms; a look at the names in one schema, opens none of them.
-- needs: mysql.slow_log
show /* dbsonde */ tables from mysql like 'slow\_log%'
