-- Reads and writes by the kind of file, those that there were.
-- cost: 0.25 ms, to walk 50 kinds; no lock.
-- from: f = performance_schema.file_summary_by_event_name
select /* dbsonde */
       substring(f.event_name, 14) as object
     , f.count_read as "reads"
     , f.sum_number_of_bytes_read as read_bytes
     , f.sum_timer_read as "read_seconds:ps"
     , f.count_write as "writes"
     , f.sum_number_of_bytes_write as written_bytes
     , f.sum_timer_write as "write_seconds:ps"
  from performance_schema.file_summary_by_event_name f
 where f.count_read + f.count_write > 0   -- a server has some fifty kinds
