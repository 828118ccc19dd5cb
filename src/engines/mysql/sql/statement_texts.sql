-- The wording of all digests: at first sight. Of those that are new later it comes with their counters.
-- cost: 6 ms (MariaDB 11.8) and 14 ms (MySQL 9.7) at 5,000 digests; no lock.
-- from: s = performance_schema.events_statements_summary_by_digest
select /* dbsonde */
       s.digest as digest
     , s.digest_text as digest_text
  from performance_schema.events_statements_summary_by_digest s
 where s.digest is not null
