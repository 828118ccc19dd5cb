-- Plugins of the server.
-- cost: 0.6 ms CPU; no lock that anybody waits for.
-- from: p = information_schema.plugins
select /* dbsonde */
       p.plugin_name as plugin
     , lower(p.plugin_type) as kind
     , p.plugin_version as version
     , lower(p.plugin_status) as status
     , p.plugin_library as "library"
     , lower(p.load_option) as load_option
  from information_schema.plugins p
 limit 1000   -- ten times what a server has
