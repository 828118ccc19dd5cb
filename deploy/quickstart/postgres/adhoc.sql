-- Planted: 1,000 shapes of statement, where pg_stat_statements has room for 100.
\set a random(1, 10)
\set b random(1, 10)
\set c random(1, 10)
select m:a, avg(m:b) from readings where m:c < 10 group by m:a;
