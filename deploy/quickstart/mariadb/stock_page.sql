-- … and now everybody who only wants to read it waits behind the migration.
select amount from stock where id = 1;
do sleep(1);
