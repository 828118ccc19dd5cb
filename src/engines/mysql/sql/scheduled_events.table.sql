-- The same where the server keeps it in a table, for who may read that and change nothing.
-- cost: 0.05 ms CPU at 20 events (MariaDB 11.8); no lock of a user's.
-- from: e = mysql.event
select /* dbsonde */
       concat(e.db, '.', e.name) as "oid:hash"
     , e.db as "database,schema"
     , e.name as "event"
     , case when e.status in ('ENABLED', 'DISABLED') then lower(e.status) else 'source' end as status
     , e.interval_value is not null as "recurs:bool"
     , e.last_executed is not null as "has_run:bool"
  from mysql.event e
 limit 10000   -- more than anybody could tell the purpose of
