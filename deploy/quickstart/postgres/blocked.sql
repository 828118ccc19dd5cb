-- Locks customer 2, waits for customer 1 …
begin;
update customers set balance = balance + 1 where id = 2;
update customers set balance = balance - 1 where id = 1;
end;
\sleep 6 s
