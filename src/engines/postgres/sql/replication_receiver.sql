-- How a standby keeps up: what has arrived, what of it is applied. No row on a primary.
-- cost: below 0.1 ms; a spinlock. Without pg_read_all_stats the sender is unknown.
-- from: r = pg_stat_get_wal_receiver()
select /* dbsonde */
       -- Without one the server tries again every five seconds. Its number everybody may see.
       coalesce(r.status, case when r.pid is null then 'connecting' end) as state
     , r.slot_name as slot
     , r.sender_host as sender    --?
     , r.received_tli as timeline
     , pg_is_wal_replay_paused() as is_paused
     , (not pg_is_wal_replay_paused())::int as applying
       -- Unknown where it has never received anything: what is fed from an archive needs no sender.
     , case when pg_last_wal_receive_lsn() is not null then (r.pid is not null)::int end as receiving
     , here.received as received_bytes
     , here.replayed as replayed_bytes
     , r.latest_end_lsn - here.received as ship_lag_bytes
     , here.received - here.replayed as apply_lag_bytes
     , case when here.received = here.replayed then interval '0'
            else now() - pg_last_xact_replay_timestamp()
       end as apply_lag_seconds
     , current_setting('recovery_min_apply_delay', true)::interval as delay_seconds   -- a setting from 12 on
     , now() - r.last_msg_receipt_time as silence_seconds
  from pg_stat_get_wal_receiver() r
       -- A receiver that has received nothing yet claims the beginning of a segment long applied.
 cross join (select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) as received
                  , pg_last_wal_replay_lsn() as replayed) here
 where pg_is_in_recovery()
 limit 1   -- a standby has one receiver
