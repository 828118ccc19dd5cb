-- The wording of statements that are new to us ($1 int8[]), and of those that have a comment for us, which may have got or lost it.
-- Read seldom: any read with text loads the whole file of texts.
-- cost: 10 ms at 5,000 digests of 100 bytes; a tenth of that to look for comments; the whole file in the backend's memory, so never above 32 MB (see texts_size.sql).
-- from: s = pg_stat_statements(boolean)
select /* dbsonde */
       s.queryid as server_digest
     , left(s.query, 65536) as query   -- the digest of a longer one is not worth its memory
  from {pgss}.pg_stat_statements(true) s
 where s.queryid = any ($1)
    or s.query ilike '%dbsonde:%silence%'
