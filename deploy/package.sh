# Sourced by deb/build.sh and rpm/build.sh: what is in a package, and where. The caller sets $root, an empty directory,
# and $program, the built program; $units is where its distribution has units, $zsh where it has completions for zsh.
# shellcheck shell=bash disable=SC2154

put() { install -D -m "$1" "$2" "$root/$3"; }

# The time that everything in the package bears, so that two builds of one commit are one package.
moment() { echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"; }

stage() {
  local unit board file page share=$root/usr/share
  umask 022
  put 755 "$program" usr/bin/dbsonde
  put 640 config/dbsonde.toml etc/dbsonde/dbsonde.toml
  for unit in dbsonde.service dbsonde@.service dbsonde.socket; do put 644 "deploy/systemd/$unit" "$units/$unit"; done
  put 644 deploy/systemd/dbsonde.sysusers usr/lib/sysusers.d/dbsonde.conf
  put 644 config/schema.json usr/share/dbsonde/config.schema.json
  for board in dashboards/*.json; do put 644 "$board" "usr/share/dbsonde/$board"; done
  put 644 deploy/prometheus/dbsonde.rules.yml usr/share/dbsonde/prometheus/dbsonde.rules.yml
  for file in deploy/grafana/*.yml; do put 644 "$file" "usr/share/dbsonde/grafana/$(basename "$file")"; done
  for file in deploy/grants/*.sql; do put 644 "$file" "usr/share/dbsonde/grants/$(basename "$file")"; done
  # Pages that only include another file are for the book.
  for page in docs/*.md; do
    grep -q '{{#include' "$page" || [ "$page" = docs/SUMMARY.md ] || put 644 "$page" "usr/share/doc/dbsonde/$(basename "$page")"
  done
  put 644 src/rules/README.md usr/share/doc/dbsonde/handbook.md
  put 644 dashboards/metrics.md usr/share/doc/dbsonde/metrics.md
  put 644 THIRD-PARTY.md usr/share/doc/dbsonde/THIRD-PARTY.md
  mkdir -p "$share"/{man/man1,bash-completion/completions,fish/vendor_completions.d} "$root/$zsh"
  "$program" man | gzip -9n >"$share/man/man1/dbsonde.1.gz"
  "$program" completions bash >"$share/bash-completion/completions/dbsonde"
  "$program" completions zsh >"$root/$zsh/_dbsonde"
  "$program" completions fish >"$share/fish/vendor_completions.d/dbsonde.fish"
}
