-- Locks customer 2, waits for customer 1 …
set innodb_lock_wait_timeout = 300;
begin;
update customers set balance = balance + 1 where id = 2;
update customers set balance = balance - 1 where id = 1;
commit;
do sleep(6);
