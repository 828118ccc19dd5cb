-- The plan of a query ($1 text) whose tables are in the schemas $2 (text[]), or the SQLSTATE of what refused it. The
-- query is planned, never run; asked only inside a transaction that is rolled back at once.
-- cost: 4 to 5 ms at 1,000 tables, most of it for judging the query; AccessShareLock on its tables for that moment.
--       At most one a second, and of one statement 60 an hour (explain.rs).
-- needs: fn explain
select /* dbsonde */
       e.plan::text as plan
     , e.refused as refused
  from dbsonde.explain($1, $2) e
