# shellcheck shell=bash disable=SC2154
# A throwaway MariaDB with the scripts of mariadb/ as its workload. Sourced by deploy/quickstart.sh.

# Sets `mariadb` to its pid and `mariadb_url`.
start_mariadb() {
  local port own=$work/mariadb server
  port=$(free_port $((20000 + RANDOM % 20000)))
  server=$(command -v mariadbd || echo /usr/sbin/mariadbd)
  private_dir "$own" "$here"/deploy/quickstart/mariadb/*
  cd "$own"
  (as_owner mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db \
    --datadir="$own/data" >log 2>&1) || { cat log >&2 && return 1; }
  # `skip_name_resolve`: who comes over the network is not `localhost`, and there only dbsonde may come, which may read
  # statistics. The socket lies in a private directory.
  cat >my.cnf <<CONF
[mysqld]
datadir = $own/data
socket = $own/s
port = $port
bind_address = 127.0.0.1
skip_name_resolve = ON
pid_file = $own/pid
innodb_flush_log_at_trx_commit = 2
performance_schema = ON
performance_schema_digests_size = 100
CONF
  (as_owner "$server" --defaults-file="$own/my.cnf" >>log 2>&1) &
  mariadb=$!
  until (sql_mariadb root -e 'create database shop' >/dev/null 2>&1); do
    kill -0 "$mariadb" 2>/dev/null || { cat log >&2 && return 1; }
    sleep 0.1
  done
  (sql_mariadb root shop <schema.sql >/dev/null)
  play_mariadb shop_web traffic
  play_mariadb shop_web traffic
  play_mariadb report_builder adhoc
  play_mariadb nightly_export script idle.sql
  play_mariadb billing_batch script blocker.sql
  play_mariadb billing_worker script blocked.sql
  play_mariadb checkout script victim.sql
  play_mariadb checkout script victim.sql
  play_mariadb stocktaking script stocktaking.sql
  play_mariadb migration script migration.sql
  play_mariadb stock_page script stock_page.sql
  cd "$here"
  mariadb_url=mysql://dbsonde@127.0.0.1:$port/shop
}

# sql_mariadb USER …: the client, which goes on after an error.
sql_mariadb() {
  local user=$1
  shift
  as_owner mariadb --no-defaults --socket="$work/mariadb/s" --user="$user" --force "$@"
}

# play_mariadb USER WRITER …: a session of that user that is told what the writer writes.
play_mariadb() {
  local user=$1
  shift
  # A group of processes of its own, so that it can be ended with all its sleeps.
  set -m
  { "$@" | (sql_mariadb "$user" shop); } >/dev/null 2>&1 &
  set +m
  workload+=("-$!")
}

# script FILE: writes its statements again and again; a line `\sleep SECONDS` is a rest between two of them.
script() {
  local line
  while sleep 1; do
    while IFS= read -r line; do
      case $line in
        '\sleep '*) sleep "${line#* }" ;;
        *) echo "$line" ;;
      esac
    done <"$1"
  done
}

# The shop's ordinary day. Customers 1 and 2 are left to the scripts that block each other.
traffic() {
  local customer total
  while sleep 0.1; do
    customer=$((3 + RANDOM % 19998)) total=$((RANDOM % 500))
    cat <<SQL
begin;
insert into orders (customer_id, total) values ($customer, $total);
update customers set balance = balance - $total where id = $customer;
commit;
select id, placed_at, total from orders where customer_id = $customer order by placed_at desc limit 10;
select count(*), sum(balance) from customers where name like '%$total%';
insert into clicks (customer_id) values ($customer);
SQL
  done
}

# Planted: 1,000 shapes of statement, where performance_schema has room for 100.
adhoc() {
  local a b c
  while sleep 0.2; do
    a=$((1 + RANDOM % 10)) b=$((1 + RANDOM % 10)) c=$((1 + RANDOM % 10))
    echo "select m$a, avg(m$b) from readings where m$c < 10 group by m$a;"
  done
}
