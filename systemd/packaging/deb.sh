#!/bin/sh
# deb.sh TARBALL VERSION DIR: builds the Debian packages from what `make dist` made, and leaves them in DIR
set -eu
tarball=$1 version=$2 dir=$3

missing=
for tool in dpkg-buildpackage=dpkg-dev dh=debhelper; do
        command -v "${tool%%=*}" >/dev/null || missing="$missing ${tool#*=}"
done
[ -z "$missing" ] || { echo "deb: Debian packages are made with tools that are not here:$missing" >&2; exit 69; }

source=$dir/purser-$version
rm -rf "$dir"
mkdir -p "$dir"
tar -C "$dir" -xzf "$tarball"
cp -r "$source/systemd/packaging/debian" "$source/"
cd "$source"
packaged=$(dpkg-parsechangelog --show-field Version)
[ "${packaged%-*}" = "$version" ] || { echo "deb: the changelog ends with $packaged, the Makefile says $version" >&2; exit 65; }

# What the caller's make was told is not for the make inside; MAKEFLAGS' jobs come in through parallel=.
unset MAKEFLAGS MFLAGS MAKELEVEL CFLAGS CPPFLAGS LDFLAGS BUILD O DESTDIR PREFIX SOURCE_DATE_EPOCH
DEB_BUILD_OPTIONS="parallel=$(nproc) ${DEB_BUILD_OPTIONS-}" dpkg-buildpackage --build=binary --no-sign
