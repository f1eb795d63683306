#!/bin/sh
# install-deps.sh [--ci|--bench]: makes sure that what the build and the tests need is there, or besides what CI or the
# measurements need. Each need is looked for itself, not its package, so that a compiler or node from elsewhere is left alone. On
# Debian and Ubuntu the missing packages are installed; elsewhere they are named, and only a library that pkg-config cannot find
# is an error.
set -u
PATH=$PATH:/usr/sbin:/sbin

libraries='pc:libcurl=libcurl4-openssl-dev pc:jansson=libjansson-dev pc:libsystemd=libsystemd-dev pc:yaml-0.1=libyaml-dev
pc:libsodium=libsodium-dev pc:sqlite3=libsqlite3-dev pc:libmicrohttpd=libmicrohttpd-dev pc:libseccomp=libseccomp-dev
pc:libcrypto=libssl-dev'
needs="cmd:cc=build-essential cmd:make=build-essential header:stdio.h=build-essential cmd:pkg-config=pkg-config $libraries
header:uthash.h=uthash-dev pc:cmocka=libcmocka-dev cmd:/usr/bin/python3=python3 py:pytest=python3-pytest py:xdist=python3-pytest-xdist
cmd:node=nodejs
cmd:npm=npm cmd:curl=curl cmd:openssl=openssl cmd:systemd-socket-activate=systemd cmd:systemd-analyze=systemd
cmd:faketime=faketime cmd:mandoc=mandoc cmd:man=man-db cmd:gcore=gdb cmd:strace=strace"
ci_needs='cmd:clang=clang cmd:clang-format=clang-format cmd:clang-tidy=clang-tidy cmd:cppcheck=cppcheck
cmd:shellcheck=shellcheck cmd:ruby=ruby cmd:php=php-cli cmd:go=golang-go cmd:zsh=zsh cmd:fish=fish
cmd:varlink-go-interface-generator=varlink-go cmd:nginx=nginx-light cmd:valgrind=valgrind cmd:jq=jq'
bench_needs='cmd:nginx=nginx-light cmd:valgrind=valgrind'
package_needs='cmd:dh=debhelper cmd:lintian=lintian cmd:rpmbuild=rpm cmd:rpmlint=rpmlint cmd:dpkg-buildpackage=dpkg-dev'
example_needs='cmd:chromium=chromium file:/usr/share/gocode/src/github.com/varlink/go=golang-github-varlink-go-dev'

ci_needs="$ci_needs cmd:promtool=prometheus py:prometheus_client=python3-prometheus-client"

# present KIND:WHAT
present() {
        what=${1#*:}
        case $1 in
        cmd:*) command -v "$what" >/dev/null ;;
        pc:*) command -v pkg-config >/dev/null && pkg-config --exists "$what" ;;
        file:*) [ -e "$what" ] ;;
        header:*) echo "#include <$what>" | cc -E -o /dev/null -x c - 2>/dev/null ;;
        py:*) /usr/bin/python3 -c "import $what" 2>/dev/null ;;
        esac
}

# missing NEED...: the packages of the needs that are not met
missing() {
        for need; do
                present "${need%%=*}" || echo "${need#*=}"
        done | sort -u | tr '\n' ' '
}

can_fuzz() {
        echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
                clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null
}

as_root() {
        if [ "$(id -u)" = 0 ]; then
                "$@"
        elif command -v sudo >/dev/null; then
                sudo "$@"
        else
                echo "install-deps: neither root nor sudo: run this as root: $*" >&2
                return 1
        fi
}

# install PACKAGE...
install() {
        echo "install-deps: installing $*"
        as_root apt-get update -qq || echo "install-deps: apt-get update failed; trying with the lists that are there" >&2
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

[ "${1-}" != --ci ] || needs="$needs $ci_needs $package_needs $example_needs"
[ "${1-}" != --bench ] || needs="$needs $bench_needs"
packages=$(missing $needs)

if ! command -v apt-get >/dev/null; then
        [ -z "$packages" ] || echo "install-deps: not found here; these are Debian's names for it: $packages" >&2
        [ -z "$(missing $libraries)" ]
        exit
fi

if [ -n "$packages" ]; then
        install $packages || exit 1
fi

# Its package carries the compiler's version in its name, which is known once the compiler is there.
if [ "${1-}" = --ci ] && ! can_fuzz; then
        install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" || exit 1
fi

packages=$(missing $needs)
if [ -n "$packages" ]; then
        echo "install-deps: still missing after installing: $packages" >&2
        exit 1
fi
