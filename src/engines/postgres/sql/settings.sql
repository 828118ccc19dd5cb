-- Settings, where they come from, and whether they wait for a restart. Never the value of one that may hold a secret.
-- Without pg_read_all_settings those of superusers only are not shown.
-- cost: 0.8 ms; no lock.
-- from: s = pg_show_all_settings()
select /* dbsonde */
       s.name as setting
     , case when s.name not in ('primary_conninfo', 'ssl_passphrase_command', 'archive_command', 'restore_command'
                               , 'archive_cleanup_command', 'recovery_end_command', 'session_authorization')
             -- Of other extensions and of applications: anything may be in there.
             and (position('.' in s.name) = 0 or split_part(s.name, '.', 1) in ('pg_stat_statements', 'auto_explain'))
            then left(s.setting, 250)   -- what a Name holds
       end as value
     , case when position('.' in s.name) = 0 then left(s.boot_val, 250) end as default_value
     , s.unit as unit
     , s.vartype as value_type
     , s.context as context
     , s.source as source
     , s.pending_restart as pending_restart
     , s.setting is distinct from s.boot_val as is_changed
  from pg_show_all_settings() s
 limit 2000   -- four times what a server has
