#!/bin/sh
# Puts the extension pgvector beside the newest installed PostgreSQL, for the
# tests that start one. It does nothing where the extension is already.
#
# A package of the distribution is taken where there is one. Debian 12 has none
# for its PostgreSQL: there the source package of Debian 13 is compiled against
# the installed major version, a matter of seconds. Both come from the mirror
# that the machine's own apt uses, through package lists of our own, so that its
# configuration stays as it is.
#
# Without the extension its tests are skipped; this script then ends with an
# error that says why.
set -eu

newest=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -t / -k 5 -n | tail -n 1)
[ -n "$newest" ] || { echo "there is no PostgreSQL in /usr/lib/postgresql" >&2; exit 1; }
major=$(echo "$newest" | cut -d / -f 5)
extensions=/usr/share/postgresql/$major/extension
[ ! -e "$extensions/vector.control" ] || exit 0

echo "pgvector is missing; installing it for PostgreSQL $major"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

. /etc/os-release
main_mirror() {
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$VERSION_CODENAME" '$1 == release && $2 == "main" { print $3; exit }'
}
mirror=$(main_mirror)
if [ -z "$mirror" ]; then # apt shows what it has lists of
  $sudo apt-get update -qq
  mirror=$(main_mirror)
fi
[ -n "$mirror" ] || { echo "apt knows no mirror of $VERSION_CODENAME" >&2; exit 1; }

if apt-cache show "postgresql-$major-pgvector" >/dev/null 2>&1; then
  $sudo apt-get install -y -qq --no-install-recommends "postgresql-$major-pgvector" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  exit 0
fi

newer=trixie # the first release that has the source
[ "$ID" = debian ] || { echo "$ID has no package of it for PostgreSQL $major" >&2; exit 1; }

command -v gcc >/dev/null || $sudo apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/server" "$work/source"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
cat >"$work/sources.list" <<LIST
deb [signed-by=$keys] $mirror $VERSION_CODENAME main
deb-src [signed-by=$keys] $mirror $newer main
LIST
own_apt() {
  apt-get -q -o Dir::State="$work/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$work/cache" \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o APT::Update::Post-Invoke::= "$@" >>"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}
cd "$work"
own_apt update
own_apt source --download-only pgvector
own_apt download "postgresql-server-dev-$major" # for its headers: installing it would bring a compiler of its own
dpkg -x "postgresql-server-dev-$major"_*.deb server
tar -xf pgvector_*.orig.tar.* -C source --strip-components 1
cd source
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" vector.control)
gcc -O2 -fPIC -shared -I src -I "$work/server/usr/include/postgresql/$major/server" -o vector.so src/*.c -lm
cp sql/vector.sql "sql/vector--$version.sql"
$sudo install -m 644 vector.so "/usr/lib/postgresql/$major/lib/"
$sudo install -m 644 sql/vector--*.sql "$extensions/"
$sudo install -m 644 vector.control "$extensions/" # last: it says that all is there
echo "pgvector $version is installed"
