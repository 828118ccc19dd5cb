#!/usr/bin/env bash
# Shows dbsonde at work, from a bare Debian or Ubuntu machine:
#   deploy/quickstart.sh                 on a throwaway PostgreSQL with a workload that has problems
#   deploy/quickstart.sh postgres://…    on your own server; starts no database and writes nothing to yours
# Installs what is missing (Rust, and PostgreSQL for the throwaway server), builds, runs until Ctrl-C, and then ends
# and removes what it started. What it installed and built stays. With DBSONDE=/path/to/dbsonde it builds nothing.
set -euo pipefail
case ${1:-} in
  '' | postgres://* | postgresql://*) url=${1:-} ;;
  *)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
here=$PWD
# shellcheck source=deploy/machine.sh
. deploy/machine.sh

work='' postgres='' daemon='' workload=()

# By pid, and in the order that leaves nobody waiting for somebody else.
end() {
  trap '' INT TERM HUP
  [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
  [ ${#workload[@]} = 0 ] || kill "${workload[@]}" 2>/dev/null || true
  [ -z "$postgres" ] || { kill -QUIT "$postgres" && wait "$postgres"; } 2>/dev/null || true
  [ -z "$work" ] || rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# PostgreSQL refuses to run as root, so root lets the user that came with the package do it.
as_owner() {
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$@"
  else
    exec "$@"
  fi
}

# The first port from $1 on that nobody answers on.
free_port() {
  local port=$1
  while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

start_postgres() {
  local bin port
  bin=$(newest_postgresql)
  port=$(free_port $((20000 + RANDOM % 20000)))
  mkdir "$work/db"
  cp deploy/quickstart/*.sql "$work/db"
  # Its user has to reach its own directory below ours, and nothing else in there.
  chmod 711 "$work"
  chmod 700 "$work/db"
  [ "$(id -u)" != 0 ] || chown -R postgres: "$work/db"
  cd "$work/db"
  (as_owner "$bin/initdb" -D data -U postgres -A trust -E UTF8 --no-locale >/dev/null)
  cat >>data/postgresql.conf <<CONF
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work/db'
fsync = off
track_io_timing = on
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 100
CONF
  # Over the network only dbsonde may come, which may read statistics. The socket lies in a private directory.
  printf 'local all all trust\nhost all dbsonde 127.0.0.1/32 trust\n' >data/pg_hba.conf
  (as_owner "$bin/postgres" -D data >log 2>&1) &
  postgres=$!
  export PGHOST=$work/db PGPORT=$port PGUSER=postgres
  until (as_owner "$bin/psql" -qAtc 'create database shop' postgres >/dev/null 2>&1); do
    kill -0 "$postgres" 2>/dev/null || { cat log >&2 && return 1; }
    sleep 0.1
  done
  (as_owner "$bin/psql" -qv ON_ERROR_STOP=1 -f schema.sql shop >/dev/null)
  play "$bin" shop_web traffic.sql -c 2 -R 20
  play "$bin" report_builder adhoc.sql -c 1 -R 5
  play "$bin" nightly_export idle.sql
  play "$bin" billing_batch blocker.sql
  play "$bin" billing_worker blocked.sql
  play "$bin" checkout victim.sql -c 2
  cd "$here"
  url=postgres://dbsonde@127.0.0.1:$port/shop
}

# play BIN APPLICATION SCRIPT …: repeats the script in sessions of that name, for ten days at most.
play() {
  local bin=$1 application=$2 script=$3
  shift 3
  (PGAPPNAME=$application as_owner "$bin/pgbench" -n -T 864000 -f "$script" "$@" shop >/dev/null 2>&1) &
  workload+=($!)
}

dbsonde=${DBSONDE:-$here/target/release/dbsonde}
if [ -z "${DBSONDE:-}" ]; then
  rust_need
  echo "building dbsonde, which takes some minutes the first time"
  cargo build --release --locked --quiet
fi
watched="your server"
work=$(mktemp -d)
if [ -z "$url" ]; then
  postgresql_need
  echo "starting a throwaway PostgreSQL with a workload"
  start_postgres
  watched="the throwaway PostgreSQL ($url)"
fi

web=127.0.0.1:$(free_port 9909)
quoted=${url//\\/\\\\}
quoted=${quoted//\"/\\\"}
(umask 077 && cat >"$work/dbsonde.toml") <<CONF
[web]
listen = ["$web"]
[state]
dir = "$work/state"
[[target]]
name = "quickstart"
url = "$quoted"
# Far below the defaults, so that there is something to see within minutes.
[rules.index-unused]
min_bytes = "1MiB"
min_window = "1m"
CONF
"$dbsonde" run --config.file "$work/dbsonde.toml" --log.level warn &
daemon=$!
until (: <"/dev/tcp/${web/://}") 2>/dev/null; do
  kill -0 "$daemon" 2>/dev/null || { rc=0; wait "$daemon" || rc=$?; daemon=; exit "$rc"; }
  sleep 0.1
done
cat <<TEXT

dbsonde watches $watched. Findings come as evidence does: the first within seconds, some after minutes.
  the page           http://$web/
  for Prometheus     http://$web/metrics
TEXT
[ -n "${1:-}" ] || echo "  a one-off look     $dbsonde inspect $url"
echo "Ctrl-C ends it and removes what it started."
wait "$daemon"
