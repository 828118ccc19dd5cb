# shellcheck shell=bash
# What deploy/quickstart.sh and tests/rig/install.sh need from a Debian or Ubuntu machine. To be sourced.
# Packages come from wherever this machine's own apt, npm and rustup are configured to get them.

# shellcheck disable=SC2034 # for those who source this
msrv=1.95

# Runs a command as root, or fails when there is no way to.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# apt_need PACKAGE…: installs what is not installed yet, and removes nothing for it. Package lists are fetched only when
# they turn out too old.
apt_need() {
  local missing=() package
  for package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  echo "installing ${missing[*]}"
  set -- apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends --no-remove "${missing[@]}"
  as_root env DEBIAN_FRONTEND=noninteractive "$@" >/dev/null 2>&1 && return 0
  as_root apt-get -o DPkg::Lock::Timeout=300 -qq update &&
    as_root env DEBIAN_FRONTEND=noninteractive "$@" >/dev/null
}

# The distribution's PostgreSQL: programs only. The package would also start a server on port 5432 that nobody asked for.
postgresql_need() {
  newest_postgresql >/dev/null && type psql pgbench >/dev/null 2>&1 && return 0
  local conf=/etc/postgresql-common/createcluster.d rc=0
  as_root mkdir -p $conf
  echo 'create_main_cluster = false' | as_root tee $conf/dbsonde.conf >/dev/null
  apt_need postgresql postgresql-contrib || rc=$?
  as_root rm -f $conf/dbsonde.conf
  return $rc
}

# The directory with the programs of the distribution's newest PostgreSQL.
newest_postgresql() {
  local dir
  dir=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/postgres' 2>/dev/null | sort -V | tail -1)
  [ -n "$dir" ] && dirname "$dir"
}

# The distribution's MariaDB: its programs without the package that would start a service.
mariadb_need() {
  PATH=$PATH:/usr/sbin
  type mariadbd mariadb mariadb-install-db >/dev/null 2>&1 || apt_need mariadb-server-core mariadb-client-core
}

# debian_suite DIR SUITE…: lets `suite_apt DIR` read other suites of the mirror that this machine's apt uses, with
# lists and cache in DIR: the machine's own are left alone. Debian only.
debian_suite() {
  local dir=$1 mirror
  shift
  # shellcheck disable=SC2016 # apt's own fields
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v own="$(. /etc/os-release && echo "${ID}-${VERSION_CODENAME:-sid}")" 'own == "debian-" $1 { print $2; exit }')
  [ -n "$mirror" ] || return 1
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  : >"$dir/status"
  printf "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror %s main\n" "$@" >"$dir/sources.list"
  suite_apt "$dir" apt-get -qq update
}

# suite_apt DIR apt-get …
suite_apt() {
  local dir=$1 tool=$2
  shift 2
  # An empty status file: nothing counts as installed, so every library comes along.
  "$tool" -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" -o Dir::State::Status="$dir/status" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Check-Valid-Until=false "$@"
}

# True when there is a cargo that is new enough.
rust_is_here() {
  local version
  version=$(cargo --version 2>/dev/null | cut -d' ' -f2) && [ -n "$version" ] &&
    printf '%s\n%s\n' "$msrv" "$version" | sort -VC
}

# The Rust toolchain, with a C compiler and make for the three crates that bring C.
rust_need() {
  command -v cc >/dev/null || apt_need gcc libc6-dev || return 1
  command -v make >/dev/null || apt_need make || return 1
  apt_need ca-certificates || return 1
  local here version
  for here in "$HOME/.cargo/bin" "$HOME/.rustup/toolchains/$msrv"-*/bin; do PATH=$PATH:$here; done
  rust_is_here && return 0
  # The distribution's own, if one is new enough: `cargo`, or `cargo-1.95` and later where versions stand side by side.
  version=$(apt-cache policy cargo 2>/dev/null | awk '/Candidate:/ { print $2 }')
  if [ -n "$version" ] && printf '%s\n%s\n' "$msrv" "$version" | sort -VC && apt_need cargo rustfmt rust-clippy; then
    rust_is_here && return 0
  fi
  version=$(apt-cache -n search '^cargo-1\.[0-9]+$' 2>/dev/null | awk '{ print $1 }' | sort -V | tail -1)
  if [ -n "$version" ] && printf '%s\n%s\n' "$msrv" "${version#cargo-}" | sort -VC && apt_need "$version"; then
    PATH=/usr/lib/rust-${version#cargo-}/bin:$PATH
    rust_is_here && return 0
  fi
  echo "installing Rust $msrv with the distribution's rustup"
  if command -v rustup >/dev/null || apt_need rustup 2>/dev/null; then
    here=rustup
  else
    here=$(rustup_of_debian) || here=
  fi
  # The toolchain's own directory is used, so that a machine without rustup's links in its PATH works as well.
  if [ -n "$here" ] && "$here" toolchain install "$msrv" --profile minimal -c clippy -c rustfmt; then
    PATH=$(dirname "$("$here" which --toolchain "$msrv" cargo)"):$PATH
    rust_is_here && return 0
  fi
  echo "There is no Rust $msrv or newer here, and neither apt nor rustup could bring one: install it, then run this again." >&2
  return 1
}

# Debian 12 has no rustup, the next release has: its program with its libraries, for the one call that we need.
rustup_of_debian() {
  local dir=${XDG_CACHE_HOME:-$HOME/.cache}/dbsonde/rustup
  debian_suite "$dir" trixie >&2 || return 1
  suite_apt "$dir" apt-get -qq install -y --download-only --no-install-recommends rustup >&2 || return 1
  suite_unpack "$dir" "$dir/root"
  suite_wrap "$dir/root" "$dir/root/usr/bin/rustup"
  echo "$dir/root/usr/bin/rustup"
}

# suite_unpack DIR ROOT: what was downloaded, without installing it.
suite_unpack() {
  local deb
  mkdir -p "$2"
  for deb in "$1"/cache/archives/*.deb; do dpkg -x "$deb" "$2"; done
}

# suite_wrap ROOT PROGRAM…: makes programs of another suite start with its own loader and libraries, where this
# machine's are too old for them, or too new.
suite_wrap() {
  local root=$1 program loader triplet argv0=
  shift
  loader=$(find "$root/usr/lib" "$root/lib" -name 'ld-linux-*.so.*' ! -type d 2>/dev/null | grep -- -linux-gnu/ | head -1)
  triplet=$(basename "$(dirname "$loader")")
  # A program that looks for its files beside itself must hear its own name; loaders can tell it since glibc 2.33.
  # shellcheck disable=SC2016 # for the wrapper to expand
  ! "$loader" --help 2>/dev/null | grep -q -e --argv0 || argv0='--argv0 "$0"'
  for program; do
    mv "$program" "$program.elf"
    # shellcheck disable=SC2016 # for the wrapper to expand
    printf '#!/bin/sh\nexec "%s" --library-path "%s" %s "$0.elf" "$@"\n' \
      "$loader" "$root/usr/lib/$triplet:$root/lib/$triplet" "$argv0" >"$program"
    chmod +x "$program"
  done
}
