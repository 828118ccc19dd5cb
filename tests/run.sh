#!/usr/bin/env bash
# Sets the machine up (see rig/install.sh) and runs everything: format, lints, all tests.
# The tests start and stop the servers they need by themselves.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${DBSONDE_RIG:-}" ]; then
  export DBSONDE_RIG=$PWD/target/rig
  # PostgreSQL refuses to run as root, and whom the tests run it as instead cannot look into root's home.
  if [ "$(id -u)" = 0 ] && ! setpriv --reuid nobody --clear-groups test -x "$PWD"; then
    export DBSONDE_RIG=/var/tmp/dbsonde-rig
  fi
fi

tests/rig/install.sh
# shellcheck source=deploy/machine.sh
. deploy/machine.sh
rust_need

cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
# The tests wait for servers more than they compute.
cargo test --locked -- --test-threads=4
