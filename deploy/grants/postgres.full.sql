-- Tier full on PostgreSQL 10 and later, on top of stats: dbsonde may read every table, and the log through the server.
-- It still writes nothing.
--
-- Run postgres.stats.sql first, then this as a superuser: in every database that is watched, and on 10 to 13 again
-- when there are new schemas or tables.

DO $$
DECLARE
  wanted text;
BEGIN
  IF to_regrole('pg_read_all_data') IS NOT NULL THEN
    EXECUTE 'GRANT pg_read_all_data TO dbsonde';
  ELSE
    FOR wanted IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    LOOP
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO dbsonde', wanted);
      EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO dbsonde', wanted);
    END LOOP;
  END IF;
  -- pg_read_binary_file reads the log, and every other file below the data directory: all data, and the hashes of
  -- passwords. pg_hba_file_rules tells who may connect; its options may hold the password of an LDAP bind.
  FOREACH wanted IN ARRAY ARRAY['pg_read_binary_file(text,bigint,bigint,boolean)', 'pg_hba_file_rules()']
  LOOP
    IF to_regprocedure('pg_catalog.' || wanted) IS NOT NULL THEN
      EXECUTE 'GRANT EXECUTE ON FUNCTION pg_catalog.' || wanted || ' TO dbsonde';
    END IF;
  END LOOP;
END
$$;

GRANT SELECT ON pg_catalog.pg_hba_file_rules TO dbsonde;
