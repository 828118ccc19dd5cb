-- The members of the group that the server belongs to, and what waits in each to be checked or applied.
-- cost: 0.05 ms without a group; 0.25 ms CPU in a group of one (MySQL 9.7); no lock of a user's.
-- from: m = performance_schema.replication_group_members
-- from: s = performance_schema.replication_group_member_stats
select /* dbsonde */
       concat(m.member_host, ':', m.member_port) as member
     , m.member_state as state
     , m.member_role as role         --?
     , m.member_version as version   --?
     , m.member_state = 'ONLINE' as online
     , s.count_transactions_in_queue as check_queue
     , s.count_transactions_checked as checked
     , s.count_conflicts_detected as conflicts
     , s.count_transactions_remote_in_applier_queue as apply_queue   --?
     , s.count_transactions_remote_applied as applied                --?
     , s.count_transactions_local_proposed as proposed               --?
     , s.count_transactions_local_rollback as rolled_back            --?
  from performance_schema.replication_group_members m
  left join performance_schema.replication_group_member_stats s on s.member_id = m.member_id
 where m.member_id <> ''
 limit 64   -- a group has nine members at most
