-- The shop's ordinary day, as a script for pgbench. Customers 1 and 2 are left to the scripts that block each other.
\set customer random(3, 20000)
\set total random(1, 500)
begin;
insert into orders (customer_id, total) values (:customer, :total);
update customers set balance = balance - :total where id = :customer;
end;
select id, placed_at, total from orders where customer_id = :customer order by placed_at desc limit 10;
select count(*), sum(balance) from customers where name like '%' || :total || '%';
