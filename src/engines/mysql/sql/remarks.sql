-- Comments on the tables and indexes of a schema in which we are asked to be silent. Of the rest of a comment as good as nothing comes over: what follows, to the first sign that no list of pages has.
-- Only of a server with a dictionary: others would open every table.
-- cost: TODO
-- needs: g.information_schema_stats_expiry
-- from: g = @@global
-- from: t = information_schema.tables
-- from: x = information_schema.statistics
select /* dbsonde */
       concat(t.table_schema, '.', t.table_name) as "oid:hash"
     , t.table_schema as "schema"
     , t.table_name as "table"
     , null as "index"
     , regexp_substr(t.table_comment, '.?dbsonde:[[:blank:]]*silence[-a-z0-9_:,[:space:]]{0,220}', 1, 1, 'i') as page   -- as it is written: the client tells pages from words
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
     , regexp_substr(x.index_comment, '.?dbsonde:[[:blank:]]*silence[-a-z0-9_:,[:space:]]{0,220}', 1, 1, 'i')
  from information_schema.statistics x
 where x.table_schema = {database}
   and x.seq_in_index = 1
   and x.index_comment like '%dbsonde:%silence%'
 limit 1000   -- who wants silence about more writes a pattern into the configuration
