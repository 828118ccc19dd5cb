//! A well-kept database and its work, on either family: foreign keys with their indexes, partitions, documents, a queue.
//! Whoever watches it has nothing to say.

/// What is asked, and after how many milliseconds again.
pub type Work = [(&'static str, u64); 9];

pub const POSTGRES: &str = "
    create table customers (id int primary key, email text not null unique, name text not null);
    insert into customers select n, 'c' || n || '@example.com', md5(n::text) from generate_series(1, 20000) n;
    create table orders (id bigint generated always as identity primary key, customer_id int not null references customers on delete cascade,
        status text not null, amount numeric not null, placed_at timestamptz not null default now());
    insert into orders (customer_id, status, amount, placed_at)
      select 1 + n % 20000, (array['new', 'paid', 'sent'])[1 + n % 3], n % 100, now() - n * interval '1 min' from generate_series(1, 60000) n;
    create index orders_customer on orders (customer_id, placed_at);
    create table order_lines (order_id bigint references orders on delete cascade, line int, product int not null, primary key (order_id, line));
    insert into order_lines select o.id, l, (o.id + l) % 500 from orders o, generate_series(1, 2) l;
    create table events (at timestamptz not null, kind text not null, payload jsonb, primary key (at, kind)) partition by range (at);
    create table events_old partition of events for values from ('2020-01-01') to ('2026-01-01');
    create table events_new partition of events for values from ('2026-01-01') to ('2099-01-01');
    create table docs (id int primary key, body jsonb not null);
    insert into docs select n, jsonb_build_object('k', n % 4000, 'words', md5(n::text)) from generate_series(1, 20000) n;
    create index docs_body on docs using gin (body jsonb_path_ops);
    create table jobs (id bigint generated always as identity primary key, state text not null default 'queued', run_at timestamptz not null default now());
    create index jobs_queued on jobs (run_at) where state = 'queued'";

pub const WORK_ON_POSTGRES: Work = [
    ("select id, status, amount from orders where customer_id = 77 order by placed_at desc limit 20", 20),
    ("select o.id, l.product from orders o join order_lines l on l.order_id = o.id where o.id = 4711", 20),
    ("select status, sum(amount) from orders where customer_id between 10 and 300 group by status", 50),
    ("select name from customers where email = 'c99@example.com'", 20),
    ("update orders set status = 'paid' where id = 99", 50),
    ("insert into events values (clock_timestamp(), 'seen', '{\"a\": 1}')", 50),
    ("select count(*) from events where at > now() - interval '10 s'", 100),
    ("select id from docs where body @> '{\"k\": 77}'", 50),
    ("insert into jobs default values; update jobs set state = 'done' where id = (select id from jobs where state = 'queued'
        order by run_at limit 1 for update skip locked)", 50),
];

/// The numbers from one to sixty thousand, which both flavours can count to without a setting.
const NUMBERS: &str = "(select 1 + a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d as n
    from digits a, digits b, digits c, digits d, digits e where e.d < 6) as numbers";

/// One script after the other, since a server refuses what is longer than one packet.
pub fn mysql() -> Vec<String> {
    let plain = |text: &str| text.to_owned();
    vec![
        plain("create table digits (d int primary key)"),
        plain("insert into digits values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)"),
        plain("create table customers (id int primary key, email varchar(80) not null unique, name varchar(80) not null)"),
        format!("insert into customers select n, concat('c', n, '@example.com'), sha2(n, 224) from {NUMBERS} where n <= 20000"),
        plain(
            "create table orders (id bigint unsigned auto_increment primary key, customer_id int not null, status varchar(10) not null,
             amount decimal(10, 2) not null, placed_at datetime(6) not null default current_timestamp(6),
             key orders_customer (customer_id, placed_at),
             foreign key (customer_id) references customers (id) on delete cascade)",
        ),
        format!(
            "insert into orders (customer_id, status, amount, placed_at)
             select 1 + n % 20000, elt(1 + n % 3, 'new', 'paid', 'sent'), n % 100, now() - interval n minute from {NUMBERS}"
        ),
        plain(
            "create table order_lines (order_id bigint unsigned, line int, product int not null, primary key (order_id, line),
             foreign key (order_id) references orders (id) on delete cascade)",
        ),
        plain("insert into order_lines select id, d, (id + d) % 500 from orders, digits where d in (1, 2)"),
        plain(
            "create table events (at datetime(6) not null, kind varchar(20) not null, nr bigint unsigned not null, payload json,
             primary key (at, kind, nr)) partition by range columns (at)
             (partition old values less than ('2026-01-01'), partition new values less than ('2099-01-01'))",
        ),
        plain(
            "create table docs (id int primary key, body json not null,
             k int as (json_extract(body, '$.k')) virtual, key docs_k (k))",
        ),
        format!("insert into docs (id, body) select n, json_object('k', n % 4000, 'words', sha2(n, 224)) from {NUMBERS} where n <= 20000"),
        plain(
            "create table jobs (id bigint unsigned auto_increment primary key, state varchar(10) not null default 'queued',
             run_at datetime(6) not null default current_timestamp(6), key jobs_queued (state, run_at))",
        ),
        plain("analyze table customers, orders, order_lines, events, docs, jobs"),
    ]
}

pub const WORK_ON_MYSQL: Work = [
    ("select id, status, amount from orders where customer_id = 77 order by placed_at desc limit 20", 20),
    ("select o.id, l.product from orders o join order_lines l on l.order_id = o.id where o.id = 4711", 20),
    ("select status, sum(amount) from orders where customer_id between 10 and 300 group by status", 50),
    ("select name from customers where email = 'c99@example.com'", 20),
    ("update orders set status = if(status = 'paid', 'sent', 'paid') where id = 99", 50),
    ("insert into events values (now(6), 'seen', connection_id(), '{\"a\": 1}')", 50),
    ("select count(*) from events where at > now() - interval 10 second", 100),
    ("select id from docs where k = 77", 50),
    (
        "insert into jobs () values ();
      start transaction;
      select id into @next from jobs where state = 'queued' order by run_at limit 1 for update skip locked;
      update jobs set state = 'done' where id = @next;
      commit",
        50,
    ),
];
