#!/usr/bin/env bash
# Makes an RPM of a built program: deploy/rpm/build.sh [PROGRAM [DIRECTORY]]
# By default of target/release/dbsonde into target/rpm. Needs rpmbuild and nothing of the network.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${1:-target/release/dbsonde}
out=${2:-target/rpm}
[ -x "$program" ] || { echo "$program is not built: cargo build --release" >&2 && exit 1; }
command -v rpmbuild >/dev/null || { echo "there is no rpmbuild here: apt-get install rpm, or dnf install rpm-build" >&2 && exit 1; }
program=$(realpath "$program")
version=$("$program" --version | awk '{ print $2 }')
# Another package of the same program.
revision=${REVISION:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root units=usr/lib/systemd/system zsh=usr/share/zsh/site-functions
mkdir "$root"
# shellcheck source=deploy/package.sh
. deploy/package.sh
stage
put 644 LICENSE usr/share/licenses/dbsonde/LICENSE
put 644 CHANGELOG.md usr/share/doc/dbsonde/CHANGELOG.md
SOURCE_DATE_EPOCH=$(moment)
export SOURCE_DATE_EPOCH

cat >"$work/dbsonde.spec" <<TEXT
# Built elsewhere: nothing is stripped or compressed again, and there are no sources to debug it by.
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global _buildhost localhost
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global _binary_payload ${RPM_PAYLOAD:-w19.zstdio}

Name: dbsonde
Version: $version
Release: $revision
Summary: Live database profiler that does no harm
License: Apache-2.0
Group: Applications/Databases
Vendor: The authors of dbsonde
Recommends: ca-certificates
Requires(pre): shadow-utils

%description
dbsonde watches PostgreSQL, MySQL and MariaDB servers from beside them and
says what is wrong, why, how to mend it and how to take that back. It exports
metrics for Prometheus and never changes anything on what it watches.

%install
cp -a $root/. %{buildroot}/

%pre
# Before the files, which belong to its group.
getent group dbsonde >/dev/null || groupadd --system dbsonde
getent passwd dbsonde >/dev/null || useradd --system --gid dbsonde --home-dir /var/lib/dbsonde --no-create-home \\
  --shell /usr/sbin/nologin --comment "dbsonde" dbsonde

# Nothing is started: without a server to watch there is nothing to do.
%post
if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi

%preun
# Not when it is an upgrade.
if [ "\$1" = 0 ] && [ -d /run/systemd/system ]; then
  systemctl --no-reload disable --now dbsonde.service dbsonde.socket || :
fi

%postun
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || :
  # An upgrade goes on with what was running.
  [ "\$1" = 0 ] || systemctl try-restart dbsonde.service || :
fi

%files
/usr/bin/dbsonde
%dir %attr(0750, root, dbsonde) /etc/dbsonde
%config(noreplace) %attr(0640, root, dbsonde) /etc/dbsonde/dbsonde.toml
/usr/lib/systemd/system/*
/usr/lib/sysusers.d/dbsonde.conf
/usr/share/bash-completion/completions/dbsonde
/usr/share/dbsonde
/usr/share/fish/vendor_completions.d/dbsonde.fish
/usr/share/zsh/site-functions/_dbsonde
%doc %dir /usr/share/doc/dbsonde
%doc /usr/share/doc/dbsonde/*
%dir /usr/share/licenses/dbsonde
%license /usr/share/licenses/dbsonde/LICENSE
%doc /usr/share/man/man1/dbsonde.1.gz
TEXT
mkdir -p "$out"
rpmbuild -bb --quiet --define "_topdir $work" --define "_rpmdir $work/made" "$work/dbsonde.spec" >&2
made=$(find "$work/made" -name '*.rpm')
cp "$made" "$out/"
echo "$out/$(basename "$made")"
