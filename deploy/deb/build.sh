#!/usr/bin/env bash
# Makes a Debian package of a built program: deploy/deb/build.sh [PROGRAM [DIRECTORY]]
# By default of target/release/dbsonde into target/deb. Needs dpkg-deb and nothing of the network.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${1:-target/release/dbsonde}
out=${2:-target/deb}
[ -x "$program" ] || { echo "$program is not built: cargo build --release" >&2 && exit 1; }
version=$("$program" --version | awk '{ print $2 }')
# Another package of the same program.
revision=${REVISION:-1}
arch=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-The authors of dbsonde} <${DEBEMAIL:-dbsonde@localhost}>"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
units=lib/systemd/system zsh=usr/share/zsh/vendor-completions share=$root/usr/share
# shellcheck source=deploy/package.sh
. deploy/package.sh
stage

cat >"$share/doc/dbsonde/copyright" <<'TEXT'
Copyright: 2026 the authors of dbsonde

Licensed under the Apache License, Version 2.0. On Debian systems its text is in
/usr/share/common-licenses/Apache-2.0

Whose work is built into it besides, and under which licences, is in
/usr/share/doc/dbsonde/THIRD-PARTY.md
TEXT
gzip -9nc CHANGELOG.md >"$share/doc/dbsonde/changelog.gz"
gzip -9n >"$share/doc/dbsonde/changelog.Debian.gz" <<TEXT
dbsonde ($version-$revision) unstable; urgency=medium

  * Packaged by deploy/deb/build.sh.

 -- $maintainer  $(date -Rud "@$(moment)")
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
Version: $version-$revision
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
dpkg-deb --root-owner-group --build "$root" "$out/dbsonde_$version-${revision}_$arch.deb" >/dev/null
echo "$out/dbsonde_$version-${revision}_$arch.deb"
