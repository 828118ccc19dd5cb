-- What the server is to do by the clock: shown to who may change it. Never what an event runs.
-- cost: 0.45 ms CPU at 20 events; no lock, no table of a user is opened.
-- from: e = information_schema.events
select /* dbsonde */
       concat(e.event_schema, '.', e.event_name) as "oid:hash"
     , e.event_schema as "database,schema"
     , e.event_name as "event"
     , case when e.status in ('ENABLED', 'DISABLED') then lower(e.status) else 'source' end as status
     , e.event_type = 'RECURRING' as "recurs:bool"
     , e.last_executed is not null as "has_run:bool"
  from information_schema.events e
 limit 10000   -- more than anybody could tell the purpose of
