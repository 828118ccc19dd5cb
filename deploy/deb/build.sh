#!/usr/bin/env bash
# Makes a Debian package of a built program: deploy/deb/build.sh [PROGRAM [DIRECTORY]]
# By default of target/release/dbsonde into target/deb. Needs dpkg-deb and nothing of the network.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${1:-target/release/dbsonde}
out=${2:-target/deb}
[ -x "$program" ] || { echo "$program is not built: cargo build --release" >&2 && exit 1; }
version=$("$program" --version | awk '{ print $2 }')
arch=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-The authors of dbsonde} <${DEBEMAIL:-dbsonde@localhost}>"
umask 022
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

put() { install -D -m "$1" "$2" "$root/$3"; }

put 755 "$program" usr/bin/dbsonde
put 640 config/dbsonde.toml etc/dbsonde/dbsonde.toml
for unit in dbsonde.service dbsonde@.service dbsonde.socket; do put 644 "deploy/systemd/$unit" "lib/systemd/system/$unit"; done
put 644 deploy/systemd/dbsonde.sysusers usr/lib/sysusers.d/dbsonde.conf
put 644 config/schema.json usr/share/dbsonde/config.schema.json
for board in dashboards/*.json; do put 644 "$board" "usr/share/dbsonde/$board"; done
put 644 deploy/prometheus/dbsonde.rules.yml usr/share/dbsonde/prometheus/dbsonde.rules.yml
for file in deploy/grafana/*.yml; do put 644 "$file" "usr/share/dbsonde/grafana/$(basename "$file")"; done
if [ -d deploy/grants ]; then
  for file in deploy/grants/*.sql; do put 644 "$file" "usr/share/dbsonde/grants/$(basename "$file")"; done
fi
# Pages that only include another file are for the book.
for page in docs/*.md; do
  grep -q '{{#include' "$page" || [ "$page" = docs/SUMMARY.md ] || put 644 "$page" "usr/share/doc/dbsonde/$(basename "$page")"
done
put 644 src/rules/README.md usr/share/doc/dbsonde/handbook.md
put 644 dashboards/metrics.md usr/share/doc/dbsonde/metrics.md

share=$root/usr/share
mkdir -p "$share"/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
"$program" man | gzip -9n >"$share/man/man1/dbsonde.1.gz"
"$program" completions bash >"$share/bash-completion/completions/dbsonde"
"$program" completions zsh >"$share/zsh/vendor-completions/_dbsonde"
"$program" completions fish >"$share/fish/vendor_completions.d/dbsonde.fish"
cat >"$share/doc/dbsonde/copyright" <<'TEXT'
Copyright: 2026 the authors of dbsonde

Licensed under the Apache License, Version 2.0. On Debian systems its text is in
/usr/share/common-licenses/Apache-2.0
TEXT
gzip -9nc CHANGELOG.md >"$share/doc/dbsonde/changelog.gz"
gzip -9n >"$share/doc/dbsonde/changelog.Debian.gz" <<TEXT
dbsonde ($version-1) unstable; urgency=medium

  * Packaged by deploy/deb/build.sh.

 -- $maintainer  $(date -Rud "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}")
TEXT
mkdir -p "$share/lintian/overrides"
cat >"$share/lintian/overrides/dbsonde" <<'TEXT'
# It may hold passwords.
dbsonde: non-standard-file-perm 0640 != 0644 [etc/dbsonde/dbsonde.toml]
# Whoever builds the package puts an address into DEBEMAIL.
dbsonde: bogus-mail-host Maintainer *
dbsonde: bogus-mail-host-in-debian-changelog *
# No bug of any distribution asked for it.
dbsonde: initial-upload-closes-no-bugs *
TEXT

install -d -m 755 "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<TEXT
Package: dbsonde
Version: $version-1
Architecture: $arch
Section: database
Priority: optional
Maintainer: $maintainer
Depends: libc6 (>= 2.34), libgcc-s1
Recommends: ca-certificates
Installed-Size: $(du -sk "$root" | cut -f1)
Description: live database profiler that does no harm
 dbsonde watches PostgreSQL, MySQL and MariaDB servers from beside them and
 says what is wrong, why, how to mend it and how to take that back. It exports
 metrics for Prometheus and never changes anything on what it watches.
TEXT
echo /etc/dbsonde/dbsonde.toml >"$root/DEBIAN/conffiles"
# Nothing is started: without a server to watch there is nothing to do.
cat >"$root/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers dbsonde.conf
  elif ! getent passwd dbsonde >/dev/null; then
    useradd --system --home-dir /var/lib/dbsonde --no-create-home --shell /usr/sbin/nologin --user-group dbsonde
  fi
  # It may hold passwords, though files of their own are the better place.
  chown root:dbsonde /etc/dbsonde /etc/dbsonde/dbsonde.toml
  chmod 750 /etc/dbsonde
  chmod 640 /etc/dbsonde/dbsonde.toml
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || true
    # An upgrade goes on with what was running.
    [ -z "$2" ] || deb-systemd-invoke try-restart dbsonde.service || true
  fi
fi
TEXT
cat >"$root/DEBIAN/prerm" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop dbsonde.service dbsonde.socket || true
fi
TEXT
cat >"$root/DEBIAN/postrm" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
  rm -rf /var/lib/dbsonde
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || true
fi
TEXT
chmod 755 "$root"/DEBIAN/p*
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
mkdir -p "$out"
dpkg-deb --root-owner-group --build "$root" "$out/dbsonde_$version-1_$arch.deb" >/dev/null
echo "$out/dbsonde_$version-1_$arch.deb"
