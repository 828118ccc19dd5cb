-- … and who wants customer 2 waits for both.
\sleep 8 s
update customers set balance = balance - 1 where id = 2;
