-- How far the write-ahead log has got. Servers before 14 tell no more.
-- cost: below 0.05 ms; no lock.
select /* dbsonde */
       case when not pg_is_in_recovery() then pg_current_wal_lsn() end as position_bytes
