-- … which a migration wants to change …
do sleep(10);
set lock_wait_timeout = 300;
alter table stock comment 'what lies there';
