-- Planted: it has read the stock and stays in its transaction, so the table keeps its shape …
begin;
select sum(amount) from stock;
\sleep 90
commit;
\sleep 15
