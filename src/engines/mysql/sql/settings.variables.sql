-- Global variables, where their values come from, and whether they want a restart. Never the value of one that may hold a secret.
-- cost: 3 ms CPU and a small temporary file; no lock that anybody waits for.
-- from: v = information_schema.system_variables
select /* dbsonde */
       lower(v.variable_name) as setting
     , case when lower(v.variable_name) not regexp 'password|passwd|pwd|secret|token|auth|credential|init_|provider_options|[.]'
              or lower(v.variable_name) regexp '^(simple_password_check|default_password_lifetime|old_passwords|strict_password)'
            then left(v.global_value, 250)   -- what a Name holds
       end as value
     , left(v.default_value, 250) as default_value
     , lower(v.variable_type) as value_type
     , case when v.read_only = 'YES' then 'restart' else 'global' end as context
     , lower(v.global_value_origin) as source
     , v.global_value_origin not in ('COMPILE-TIME', 'AUTO') as "is_changed:bool"
  from information_schema.system_variables v
 where v.variable_scope <> 'SESSION ONLY'
 limit 3000   -- four times what a server has
