-- Planted: a transaction that was begun and forgotten; it also keeps purge from cleaning up.
begin;
update readings set m1 = m1 + 1 where id = 1;
\sleep 1800
commit;
