-- The same small shop for MariaDB. Nothing here is faked: the problems are real.
-- Nobody but dbsonde comes over the network.
delete from mysql.global_priv where user = 'root' and host <> 'localhost';
delete from mysql.proxies_priv where user = 'root' and host <> 'localhost';
flush privileges;
create user dbsonde@'127.0.0.1';
grant process, binlog monitor, slave monitor on *.* to dbsonde@'127.0.0.1';
grant select on performance_schema.* to dbsonde@'127.0.0.1';
-- To name tables and indexes one needs some right on them; this one shows no row.
grant references on *.* to dbsonde@'127.0.0.1';

create user shop_web@localhost, report_builder@localhost, nightly_export@localhost, billing_batch@localhost,
    billing_worker@localhost, checkout@localhost, stocktaking@localhost, migration@localhost, stock_page@localhost;
grant all on shop.* to shop_web@localhost, report_builder@localhost, nightly_export@localhost, billing_batch@localhost,
    billing_worker@localhost, checkout@localhost, stocktaking@localhost, migration@localhost, stock_page@localhost;
create table customers (id int primary key, name text not null, balance int not null default 0);
insert into customers select seq, concat('customer ', seq), 0 from seq_1_to_20000;

create table orders (
    id int primary key auto_increment,
    customer_id int not null,
    placed_at timestamp not null default now(),
    total int not null
);
insert into orders (customer_id, placed_at, total)
select 1 + seq % 20000, now() - interval seq minute, seq % 500 from seq_1_to_150000;
create index orders_customer_id_idx on orders (customer_id);
-- Planted: the same index once more, and one that no statement of the shop ever uses.
create index orders_by_customer on orders (customer_id);
create index orders_total_placed_at_idx on orders (total, placed_at);

-- Planted: a key that is nearly used up.
create table clicks (id int primary key auto_increment, customer_id int not null) auto_increment = 2000000000;

-- A wide table, and a tool that asks it something else every time.
create table readings (id int primary key, m1 int, m2 int, m3 int, m4 int, m5 int, m6 int, m7 int, m8 int, m9 int, m10 int);
insert into readings select seq, seq, seq, seq, seq, seq, seq, seq, seq, seq, seq from seq_1_to_1000;

create table stock (id int primary key, amount int not null);
insert into stock select seq, 100 from seq_1_to_100;
analyze table customers, orders, readings, stock;
