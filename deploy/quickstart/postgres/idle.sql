-- Planted: a transaction that was begun and forgotten; it also keeps VACUUM from cleaning up.
begin isolation level repeatable read;
select sum(balance) from customers;
\sleep 1800 s
end;
