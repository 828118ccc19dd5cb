-- How many locks are held and waited for, by kind and mode.
-- cost: 0.4 ms at 50 sessions with 350 locks; the lock manager's sixteen partition locks, shared, while it copies the table of locks.
-- from: l = pg_lock_status()
select /* dbsonde */
       l.locktype as lock_type
     , l.mode as mode
     , l.granted as granted
     , count(*) as locks
     , max(now() - l.waitstart) as longest_wait_seconds   --?
  from pg_lock_status() l
 where l.pid is distinct from pg_backend_pid()
 group by l.locktype, l.mode, l.granted
 limit 500   -- about twelve kinds, nine modes, two states
