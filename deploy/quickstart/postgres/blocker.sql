-- Planted: the root of a queue. It locks customer 1 and takes its time.
begin;
update customers set balance = balance + 1 where id = 1;
\sleep 120 s
end;
\sleep 5 s
