-- A small shop with the problems planted that the handbook's first pages speak of. Nothing here is faked: they are real.
create extension pg_stat_statements;
create role dbsonde login in role pg_monitor;
-- Optional: lets dbsonde ask how large the file of statement texts is, and so read it while it is small.
grant execute on function pg_stat_file(text, boolean) to dbsonde;

create table customers (id int primary key, name text not null, balance int not null default 0);
insert into customers select n, 'customer ' || n from generate_series(1, 20000) n;

create table orders (
    id int primary key generated always as identity,
    customer_id int not null references customers,
    placed_at timestamptz not null default now(),
    total int not null
);
insert into orders (customer_id, placed_at, total)
select 1 + n % 20000, now() - n * interval '1 minute', n % 500 from generate_series(1, 150000) n;
create index orders_customer_id_idx on orders (customer_id);
-- Planted: the same index once more, and one that no statement of the shop ever uses.
create index orders_by_customer on orders (customer_id);
create index orders_total_placed_at_idx on orders (total, placed_at);

-- A wide table, and in adhoc.sql a tool that asks it something else every time.
create table readings (id int primary key, m1 int, m2 int, m3 int, m4 int, m5 int, m6 int, m7 int, m8 int, m9 int, m10 int);
insert into readings select n, n, n, n, n, n, n, n, n, n, n from generate_series(1, 1000) n;
analyze;
