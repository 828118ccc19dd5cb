-- Tier advise on PostgreSQL 10 and later, on top of stats: plans of queries, and what the planner knows of columns
-- but for their values. dbsonde itself can still read no table: two functions do it, as a role that nobody is.
--
-- Run postgres.stats.sql first, then this as a superuser: in every database that is watched, and on 10 to 13 again
-- when there are new schemas or tables. To take it back: DROP SCHEMA dbsonde CASCADE; DROP OWNED BY dbsonde_owner;

DO $$
DECLARE
  wanted text;
BEGIN
  IF to_regrole('dbsonde_owner') IS NULL THEN
    CREATE ROLE dbsonde_owner NOLOGIN;
  END IF;
  IF to_regrole('pg_read_all_data') IS NOT NULL THEN
    EXECUTE 'GRANT pg_read_all_data TO dbsonde_owner';
  ELSE
    FOR wanted IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    LOOP
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO dbsonde_owner', wanted);
      EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO dbsonde_owner', wanted);
    END LOOP;
  END IF;
END
$$;

-- Its owner is whoever runs this, so that the functions could not even change themselves.
CREATE SCHEMA IF NOT EXISTS dbsonde;
REVOKE ALL ON SCHEMA dbsonde FROM PUBLIC;
GRANT USAGE ON SCHEMA dbsonde TO dbsonde, dbsonde_owner;

CREATE OR REPLACE FUNCTION dbsonde.column_statistics()
RETURNS TABLE (schema name, "table" name, "column" name, is_inherited boolean, null_ratio real, width_bytes integer,
               distinct_values real, correlation real, common_values integer, most_common_ratio real)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $dbsonde$
  SELECT s.schemaname, s.tablename, s.attname, s.inherited, s.null_frac, s.avg_width, s.n_distinct, s.correlation
       , cardinality(s.most_common_freqs), s.most_common_freqs[1]
    FROM pg_stats s
   WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema')
   LIMIT 200000
$dbsonde$;

-- Planning a query runs code: constant calls of IMMUTABLE and STABLE functions, expressions of indexes, constraints,
-- policies, views and domains. Here it would run as a role that reads everything. So a query that could reach a
-- function written in SQL, PL/pgSQL or any other language that users may write is refused before it is planned:
-- null where there is nothing to fear, else an SQLSTATE. Names count wherever they stand, also within literals:
-- what errs does so on the safe side.
CREATE OR REPLACE FUNCTION dbsonde.refusal(query text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $dbsonde$
DECLARE
  lowered text := lower(query);
  words text[] := regexp_split_to_array(lower(query), '[^a-z0-9_$]+');
  -- Operators that a user's function stands behind.
  behind oid[];
  -- Functions of users.
  risky oid[];
BEGIN
  IF query IS NULL OR length(query) > 65536 THEN
    RETURN '54000';
  END IF;
  -- One query that reads. No comment, escape or other quote in which a name could hide.
  IF lowered !~ '^[\s(]*(select|with|table|values)\M' OR query ~ '[;\\]|--|/\*|""|\$([^0-9]|$)|[^\x01-\x7f]'
     OR lowered ~ 'u&\s*[''"]|to_xml' THEN
    RETURN '42601';
  END IF;
  SELECT array_agg(p.oid) INTO risky
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
   WHERE l.lanname NOT IN ('internal', 'c')
     AND p.pronamespace NOT IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname IN ('pg_catalog', 'information_schema'));
  IF risky IS NULL THEN
    risky := '{}';
  END IF;
  SELECT coalesce(array_agg(o.oid), '{}') INTO behind FROM pg_operator o WHERE o.oprcode = ANY (risky);
  -- Named, as a function, as a field of a row, or as an operator. Odd names are looked for anywhere.
  IF EXISTS (SELECT FROM pg_proc p
              WHERE p.oid = ANY (risky)
                AND (lower(p.proname) = ANY (words)
                     OR p.proname !~ '^[A-Za-z0-9_$]+$' AND position(lower(p.proname) IN lowered) > 0))
     OR EXISTS (SELECT FROM pg_operator o WHERE o.oid = ANY (behind) AND position(o.oprname IN query) > 0)
     -- Casts and checks of domains need no name.
     OR EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = ANY (risky))
     OR EXISTS (SELECT FROM pg_constraint c
                  JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
                 WHERE c.contypid <> 0
                   AND (d.refclassid = 'pg_proc'::regclass AND d.refobjid = ANY (risky)
                        OR d.refclassid = 'pg_operator'::regclass AND d.refobjid = ANY (behind))) THEN
    RETURN '42501';
  END IF;
  -- What the relations bring along: their children, and all that their views read.
  IF EXISTS (
    WITH RECURSIVE reached (oid) AS (
      SELECT c.oid FROM pg_class c
       WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
         AND (lower(c.relname) = ANY (words)
              OR c.relname !~ '^[A-Za-z0-9_$]+$' AND position(lower(c.relname) IN lowered) > 0)
      UNION
      SELECT further.oid
        FROM reached r
        CROSS JOIN LATERAL (
          SELECT i.inhrelid AS oid FROM pg_inherits i WHERE i.inhparent = r.oid
          UNION ALL
          SELECT d.refobjid FROM pg_rewrite w
            JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
           WHERE w.ev_class = r.oid
        ) further
    ), brought (class, oid) AS (
      SELECT 'pg_class'::regclass::oid, r.oid FROM reached r
      UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM reached r JOIN pg_index i ON i.indrelid = r.oid
      UNION ALL SELECT 'pg_constraint'::regclass, c.oid FROM reached r JOIN pg_constraint c ON c.conrelid = r.oid
      UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM reached r JOIN pg_policy p ON p.polrelid = r.oid
      UNION ALL SELECT 'pg_rewrite'::regclass, w.oid FROM reached r JOIN pg_rewrite w ON w.ev_class = r.oid
      UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM reached r JOIN pg_statistic_ext s ON s.stxrelid = r.oid
      UNION ALL
      -- Only generated columns that are computed when read; before 12 there are none.
      SELECT 'pg_attrdef'::regclass, f.oid
        FROM reached r
        JOIN pg_attrdef f ON f.adrelid = r.oid
        JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = f.adnum
       WHERE to_jsonb(a) ->> 'attgenerated' = 'v'
    )
    SELECT FROM reached r JOIN pg_class c ON c.oid = r.oid
     -- Planning may ask the other server of a foreign table; a temporary one is of the asker's own making.
     WHERE c.relkind = 'f' OR c.relpersistence = 't'
    UNION ALL
    SELECT FROM brought b JOIN pg_depend d ON d.classid = b.class AND d.objid = b.oid
     WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = ANY (risky)
        OR d.refclassid = 'pg_operator'::regclass AND d.refobjid = ANY (behind)
  ) THEN
    RETURN '42501';
  END IF;
  RETURN NULL;
END
$dbsonde$;

-- The plan, or the SQLSTATE of what refused it and not a word more: an error may quote a value. A cursor takes one
-- statement only, and what stands before it is fixed, so that no option can be added.
CREATE OR REPLACE FUNCTION dbsonde.explain(query text, path text[] DEFAULT '{public}')
RETURNS TABLE (plan json, refused text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $dbsonde$
DECLARE
  seen refcursor;
  version int := current_setting('server_version_num');
  unknowns text;
BEGIN
  refused := dbsonde.refusal(query);
  IF refused IS NULL THEN
    BEGIN
      -- Whatever the caller's transaction may do: from here on it writes nothing.
      PERFORM set_config('transaction_read_only', 'on', true);
      -- Existing schemas alone, and ours before theirs.
      PERFORM set_config('search_path', concat_ws(', ', 'pg_catalog', (
        SELECT string_agg(quote_ident(n.nspname), ', ' ORDER BY p.nth)
          FROM unnest(path) WITH ORDINALITY p (name, nth)
          JOIN pg_namespace n ON n.nspname = p.name AND n.nspname !~ '^pg_'
      ), 'pg_temp'), true);
      IF query !~ '\$[0-9]' THEN
        OPEN seen FOR EXECUTE 'EXPLAIN /* dbsonde roam */ (FORMAT JSON) ' || query;
      ELSIF version >= 160000 THEN
        OPEN seen FOR EXECUTE 'EXPLAIN /* dbsonde roam */ (FORMAT JSON, GENERIC_PLAN) ' || query;
      ELSIF version >= 120000 THEN
        -- The plan that serves every value. A semicolon was refused above; a statement that somebody has prepared
        -- under this name makes it fail.
        EXECUTE 'PREPARE dbsonde_plan AS ' || query;
        PERFORM set_config('plan_cache_mode', 'force_generic_plan', true);
        SELECT string_agg('NULL', ', ') INTO unknowns
          FROM pg_prepared_statements s, unnest(s.parameter_types)
         WHERE s.name = 'dbsonde_plan';
        OPEN seen FOR EXECUTE 'EXPLAIN /* dbsonde roam */ (FORMAT JSON) EXECUTE dbsonde_plan (' || unknowns || ')';
      ELSE
        -- No way to plan for every value.
        RAISE EXCEPTION USING ERRCODE = '0A000';
      END IF;
      FETCH seen INTO plan;
      CLOSE seen;
    EXCEPTION WHEN OTHERS THEN
      plan := NULL;
      refused := SQLSTATE;
    END;
    -- What is prepared outlives even a transaction that is rolled back.
    IF EXISTS (SELECT FROM pg_prepared_statements s WHERE s.name = 'dbsonde_plan') THEN
      DEALLOCATE dbsonde_plan;
    END IF;
  END IF;
  RETURN NEXT;
END
$dbsonde$;

REVOKE ALL ON FUNCTION dbsonde.column_statistics(), dbsonde.refusal(text), dbsonde.explain(text, text[]) FROM PUBLIC;
ALTER FUNCTION dbsonde.column_statistics() OWNER TO dbsonde_owner;
ALTER FUNCTION dbsonde.refusal(text) OWNER TO dbsonde_owner;
ALTER FUNCTION dbsonde.explain(text, text[]) OWNER TO dbsonde_owner;
GRANT EXECUTE ON FUNCTION dbsonde.column_statistics(), dbsonde.explain(text, text[]) TO dbsonde;
