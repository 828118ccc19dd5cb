-- Comments on the tables and indexes of a schema in which we are asked to be silent. Of the rest of a comment as good as nothing comes over: what follows, to the first sign that no list of pages has.
-- Only of a server with a dictionary: others would open every table.
-- cost: 10 ms CPU at 1,000 tables with 3,000 indexes (MySQL 9.7), every 15 minutes; no lock, no table is opened.
-- needs: g.information_schema_stats_expiry
-- from: g = @@global
-- from: t = information_schema.tables
-- from: x = information_schema.statistics
select /* dbsonde */
       concat(t.table_schema, '.', t.table_name) as "oid:hash"
     , t.table_schema as "schema"
     , t.table_name as "table"
     , null as "index"
     , left(regexp_substr(t.table_comment, '.?dbsonde:[[:blank:]]*silence[-a-z0-9_:,[:space:]]*', 1, 1, 'i'), 250) as page   -- as it is written: the client tells pages from words
  from information_schema.tables t
 where t.table_schema = {database}
   and t.table_type = 'BASE TABLE'   -- a view says VIEW there, or what is wrong with it
   and t.table_comment like '%dbsonde:%silence%'
 union all
select /* dbsonde */
       concat(x.table_schema, '.', x.table_name, '.', x.index_name)
     , x.table_schema
     , x.table_name
     , x.index_name
     , left(regexp_substr(x.index_comment, '.?dbsonde:[[:blank:]]*silence[-a-z0-9_:,[:space:]]*', 1, 1, 'i'), 250)
  from information_schema.statistics x
 where x.table_schema = {database}
   and x.seq_in_index = 1
   and x.index_comment like '%dbsonde:%silence%'
 limit 1000   -- who wants silence about more writes a pattern into the configuration
