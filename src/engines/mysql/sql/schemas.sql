-- The schemas that the login may see.
-- cost: 0.1 to 0.2 ms; no lock, no table is opened.
-- from: s = information_schema.schemata
select /* dbsonde */
       s.schema_name as name
  from information_schema.schemata s
