-- Tier stats on PostgreSQL 10 and later: what the server counts of itself. No row of a table, no value of a column.
--
-- Run it as a superuser, or as the administrator of a managed service, in the database that dbsonde connects to.
-- It may be run again. Then give the login a way in, for example: ALTER ROLE dbsonde PASSWORD '…';

DO $$
BEGIN
  IF to_regrole('dbsonde') IS NULL THEN
    -- dbsonde holds three connections at most; a second one of it, for a look, has room.
    CREATE ROLE dbsonde LOGIN CONNECTION LIMIT 6;
  END IF;
END
$$;

GRANT pg_monitor TO dbsonde;

-- dbsonde brings these limits along with each connection. Here they hold for whatever else logs in as it.
ALTER ROLE dbsonde SET default_transaction_read_only = on;
ALTER ROLE dbsonde SET lock_timeout = '100ms';
ALTER ROLE dbsonde SET statement_timeout = '10s';
ALTER ROLE dbsonde SET idle_in_transaction_session_timeout = '10s';

CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

DO $$
DECLARE
  wanted text;
BEGIN
  -- Wherever the extension lives.
  EXECUTE (SELECT format('GRANT USAGE ON SCHEMA %I TO dbsonde', n.nspname)
             FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
            WHERE e.extname = 'pg_stat_statements');
  -- The size of the file of statement texts, before anybody reads it; where the log is. 10 keeps the first for
  -- superusers, whatever is granted. pg_stat_file tells of files below the data directory only.
  FOREACH wanted IN ARRAY ARRAY['pg_stat_file(text,boolean)', 'pg_current_logfile()', 'pg_current_logfile(text)', 'pg_ls_logdir()']
  LOOP
    IF to_regprocedure('pg_catalog.' || wanted) IS NOT NULL THEN
      EXECUTE 'GRANT EXECUTE ON FUNCTION pg_catalog.' || wanted || ' TO dbsonde';
    END IF;
  END LOOP;
END
$$;
