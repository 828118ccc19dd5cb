-- What takes most of the memory that the server counts.
-- cost: 0.2 ms (MariaDB 11.8) and 0.35 ms (MySQL 9.7), to walk 500 kinds; no lock.
-- from: m = performance_schema.memory_summary_global_by_event_name
select /* dbsonde */
       substring(m.event_name, 8) as purpose
     , m.current_number_of_bytes_used as bytes
  from performance_schema.memory_summary_global_by_event_name m
 where m.current_number_of_bytes_used > 0
 order by m.current_number_of_bytes_used desc
 limit 30
