# shellcheck shell=bash disable=SC2154
# A throwaway PostgreSQL with the scripts of postgres/ as its workload. Sourced by deploy/quickstart.sh.

# Sets `postgres` to its pid and `postgres_url`.
start_postgres() {
  local bin port own=$work/postgres
  bin=$(newest_postgresql)
  port=$(free_port $((20000 + RANDOM % 20000)))
  private_dir "$own" "$here"/deploy/quickstart/postgres/*
  cd "$own"
  (as_owner "$bin/initdb" -D data -U postgres -A trust -E UTF8 --no-locale >/dev/null)
  cat >>data/postgresql.conf <<CONF
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$own'
fsync = off
track_io_timing = on
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 100
CONF
  # Over the network only dbsonde may come, which may read statistics. The socket lies in a private directory.
  printf 'local all all trust\nhost all dbsonde 127.0.0.1/32 trust\n' >data/pg_hba.conf
  (as_owner "$bin/postgres" -D data >log 2>&1) &
  postgres=$!
  export PGHOST=$own PGPORT=$port PGUSER=postgres
  until (as_owner "$bin/psql" -qAtc 'create database shop' postgres >/dev/null 2>&1); do
    kill -0 "$postgres" 2>/dev/null || { cat log >&2 && return 1; }
    sleep 0.1
  done
  (as_owner "$bin/psql" -qv ON_ERROR_STOP=1 -f schema.sql shop >/dev/null)
  play_postgres "$bin" shop_web traffic.sql -c 2 -R 20
  play_postgres "$bin" report_builder adhoc.sql -c 1 -R 5
  play_postgres "$bin" nightly_export idle.sql
  play_postgres "$bin" billing_batch blocker.sql
  play_postgres "$bin" billing_worker blocked.sql
  play_postgres "$bin" checkout victim.sql -c 2
  cd "$here"
  postgres_url=postgres://dbsonde@127.0.0.1:$port/shop
}

# play_postgres BIN APPLICATION SCRIPT …: repeats the script in sessions of that name, for ten days at most.
play_postgres() {
  local bin=$1 application=$2 script=$3
  shift 3
  (PGAPPNAME=$application as_owner "$bin/pgbench" -n -T 864000 -f "$script" "$@" shop >/dev/null 2>&1) &
  workload+=($!)
}
