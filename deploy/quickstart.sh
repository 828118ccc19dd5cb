#!/usr/bin/env bash
# Shows dbsonde at work, from a bare Debian or Ubuntu machine:
#   deploy/quickstart.sh         on a throwaway PostgreSQL and MariaDB, each with a workload that has problems
#   deploy/quickstart.sh URL     on your own server, postgres://… or mysql://…; starts no database, writes nothing to yours
# Installs what is missing (Rust, and the programs of PostgreSQL and MariaDB without their services), builds, runs until
# Ctrl-C, and then ends and removes what it started. What it installed and built stays. With DBSONDE=/path/to/dbsonde it
# builds nothing.
set -euo pipefail
case ${1:-} in
  '' | postgres://* | postgresql://* | mysql://* | mariadb://*) url=${1:-} ;;
  *)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
here=$PWD
# shellcheck source=deploy/machine.sh
. deploy/machine.sh
. deploy/quickstart/postgres.sh
. deploy/quickstart/mariadb.sh

work='' postgres='' mariadb='' daemon='' workload=()

# By pid, and in the order that leaves nobody waiting for somebody else.
end() {
  trap '' INT TERM HUP
  [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
  [ ${#workload[@]} = 0 ] || kill -- "${workload[@]}" 2>/dev/null || true
  [ -z "$postgres" ] || { kill -QUIT "$postgres" && wait "$postgres"; } 2>/dev/null || true
  [ -z "$mariadb" ] || { kill -KILL "$mariadb" && wait "$mariadb"; } 2>/dev/null || true
  [ -z "$work" ] || rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Database servers refuse to run as root, so root lets the user do it that came with PostgreSQL.
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

# private_dir DIR FILE…: with copies of the files, for that user. It has to reach its own directory below ours, and
# nothing else in there.
private_dir() {
  local dir=$1
  shift
  mkdir "$dir"
  cp "$@" "$dir"
  chmod 711 "$work"
  chmod 700 "$dir"
  [ "$(id -u)" != 0 ] || chown -R postgres: "$dir"
}

# target NAME URL: its part of the configuration.
target() {
  local quoted=${2//\\/\\\\}
  printf '[[target]]\nname = "%s"\nurl = "%s"\n' "$1" "${quoted//\"/\\\"}"
}

dbsonde=${DBSONDE:-${CARGO_TARGET_DIR:-$here/target}/release/dbsonde}
if [ -z "${DBSONDE:-}" ]; then
  rust_need
  echo "building dbsonde, which takes some minutes the first time"
  cargo build --release --locked --quiet
fi
watched="your server"
work=$(mktemp -d)
if [ -n "$url" ]; then
  targets=$(target quickstart "$url")
else
  postgresql_need
  echo "starting a throwaway PostgreSQL with a workload"
  start_postgres
  targets=$(target postgres "$postgres_url")
  watched="the throwaway PostgreSQL ($postgres_url)"
  if mariadb_need; then
    echo "starting a throwaway MariaDB with a workload"
    start_mariadb
    targets+=$'\n'$(target mariadb "$mariadb_url")
    watched+=" and MariaDB ($mariadb_url)"
  else
    echo "MariaDB cannot be installed here (another MySQL or MariaDB may be in its way), so PostgreSQL goes alone" >&2
  fi
fi

web=127.0.0.1:$(free_port 9909)
(umask 077 && cat >"$work/dbsonde.toml") <<CONF
[web]
listen = ["$web"]
[state]
dir = "$work/state"
# Far below the defaults, so that there is something to see within minutes.
[rules.index-unused]
min_bytes = "1MiB"
min_window = "1m"
[rules.session-idle-in-transaction]
warn_after = "1m"
$targets
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
[ -n "$url" ] || echo "  a one-off look     $dbsonde inspect $postgres_url"
echo "Ctrl-C ends it and removes what it started."
wait "$daemon"
