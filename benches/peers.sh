#!/usr/bin/env bash
# Fetches the agents that `cargo bench --bench cost -- peers` measures beside us, as Debian packs them, without
# installing them: they are unpacked into $DBSONDE_RIG/peers (target/rig/peers).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/machine.sh
. deploy/machine.sh
to=${DBSONDE_RIG:-$PWD/target/rig}/peers
work=$to/suite
debian_suite "$work" sid
packages=(prometheus-postgres-exporter prometheus-mysqld-exporter pg-exporter)
(cd "$work/cache/archives" && suite_apt "$work" apt-get -qq download "${packages[@]}")
suite_unpack "$work" "$to"
rm -rf "$work/lists"
ls "$to/usr/bin"
