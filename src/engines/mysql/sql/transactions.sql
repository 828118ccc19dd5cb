-- InnoDB's open transactions, and who of them waits for a row.
-- cost: 0.06 ms without transactions; InnoDB copies its list at most ten times a second, whoever asks.
-- from: t = information_schema.innodb_trx
select /* dbsonde */
       t.trx_mysql_thread_id as pid
     , unix_timestamp(t.trx_started) as started
     , t.trx_state as state
  from information_schema.innodb_trx t
 where t.trx_mysql_thread_id <> connection_id()
