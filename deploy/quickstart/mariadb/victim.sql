-- … and who wants customer 2 waits for both.
set innodb_lock_wait_timeout = 300;
do sleep(8);
update customers set balance = balance - 1 where id = 2;
