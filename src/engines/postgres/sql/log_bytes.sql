-- Some of a file of the log, and how it begins, so that it is known for the same. As bytes: half a character at the
-- end of a piece, or a statement in another encoding, is no text.
-- cost: 0.3 ms for the 512 kB that are asked for; no lock. Whoever asks rests a hundred times as long.
-- needs: fn pg_read_binary_file
select /* dbsonde */
       pg_read_binary_file($1, $3, $4, true) as bytes
     , pg_read_binary_file($1, 0, $2, true) as head
