-- Is a catalogue locked, or about to be, without which nobody can log in to the database $1 (oid)? 16384 is the first id of a user's table.
-- cost: 0.1 ms at 1,000 locks; no lock but those of the lock manager, for a moment.
-- from: l = pg_lock_status()
select /* dbsonde */
       exists (select
                 from pg_lock_status() l
                where l.mode = 'AccessExclusiveLock'
                  and l.relation < 16384
                  and l.database in (0, $1)) as is_locked
