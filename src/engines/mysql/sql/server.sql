-- What the server is, and how many connections it admits to everybody.
-- cost: 0.05 ms; no lock.
select /* dbsonde */
       @@global.version as version
     , cast(substring_index(@@global.version, '.', 1) * 10000
          + substring_index(substring_index(@@global.version, '.', 2), '.', -1) * 100
          + substring_index(substring_index(substring_index(@@global.version, '-', 1), '.', 3), '.', -1) as signed) as version_number
     , 0 as "in_recovery:bool"
     , @@global.max_connections as connections_max
     , unix_timestamp(now(6)) as asked
