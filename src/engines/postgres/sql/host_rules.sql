-- Who may connect from where and how they prove who they are. Superusers only, unless granted.
-- cost: 0.07 ms at 7 rules; the server reads pg_hba.conf.
-- from: h = pg_hba_file_rules()
select /* dbsonde */
       h.line_number as line
     , h.file_name as file        --?
     , h.type as connection
     , h.database as databases
     , h.user_name as users
     , h.address as address
     , h.netmask as netmask
     , h.auth_method as method
     , h.error is not null as is_wrong   -- options and the error's words may hold secrets
  from pg_hba_file_rules() h
 limit 2000   -- a longer file is written by a program
