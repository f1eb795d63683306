#!/bin/bash
# root.sh TAR PACKAGE...: a root file system with what every Debian has and the packages named, with what they depend on, and
# nothing else: their files as they are installed on this machine, and a dpkg that knows of no other package.
set -eu
export LC_ALL=C
tar=$1
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
made=$work/made
info=/var/lib/dpkg/info

/usr/bin/python3 - "$@" >"$work/packages" <<-'PYTHON'
	import re, subprocess, sys

	query = ["dpkg-query", "--show", "--showformat=${Package}\t${Essential}\t${Priority}\t${Pre-Depends}, ${Depends}\t${Provides}\n"]
	rows = [line.split("\t") for line in subprocess.check_output(query, text=True).splitlines()]
	names = lambda text: re.findall(r"[a-z0-9][a-z0-9+.-]+(?=[ ,|(:]|$)", re.sub(r"\([^)]*\)|:any", "", text))
	depends = {row[0]: [[word.strip() for word in names(choice)] for choice in row[3].split(",")] for row in rows}
	provided = {name: row[0] for row in rows for name in names(row[4])}
	wanted = sys.argv[1:] + [row[0] for row in rows if row[1] == "yes"]
	taken = set()
	while wanted:
	    name = wanted.pop()
	    if name in taken:
	        continue
	    if name not in depends:
	        sys.exit("root: %s is not installed on this machine" % name)
	    taken.add(name)
	    for choices in depends[name]:
	        there = [choice if choice in depends else provided[choice] for choice in choices if choice in depends or choice in provided]
	        wanted += there[:1]
	print("\n".join(sorted(taken)))
PYTHON

# What belongs to the packages, without what only people read; where /bin is a link, so that /bin/sh is usr/bin/sh.
xargs -a "$work/packages" dpkg-query --listfiles | grep -v -e '^/usr/share/\(doc\|man\|locale\|info\|lintian\)/' -e '^package diverts' -e ' ' |
        sed -nE -e 's,^/(bin|sbin|lib|lib32|lib64|libx32)/,/usr/\1/,' -e '\,^/[^/]*/,p' | sort -u >"$work/files"
while read -r file; do
        [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "${file#/}"
done <"$work/files" >"$work/list"
# An alternative, which no package owns, and every Debian has.
printf 'usr/bin/awk\0' >>"$work/list"

mkdir -p "$made"/{dev,etc,proc,run,sys,tmp} "$made/var/lib/dpkg"/{info,updates,triggers,alternatives,parts}
for link in bin sbin lib lib32 lib64 libx32; do
        [ ! -L "/$link" ] || ln -s "usr/$link" "$made/$link"
done
cp /usr/share/base-passwd/passwd.master "$made/etc/passwd"
cp /usr/share/base-passwd/group.master "$made/etc/group"
printf 'passwd: files systemd\ngroup: files systemd\nhosts: files\n' >"$made/etc/nsswitch.conf"
cp -L /etc/os-release "$made/etc/os-release"
cp -a /etc/ld.so.cache /etc/ssl /etc/alternatives "$made/etc/"
awk 'NR == FNR { taken[$1] = 1; next } /^Package: / { keep = $2 in taken } keep' "$work/packages" /var/lib/dpkg/status \
        >"$made/var/lib/dpkg/status"
cp /var/lib/dpkg/info/format "$made/var/lib/dpkg/info/"
while read -r package; do
        cp -a "$info/$package".* "$made/var/lib/dpkg/info/" 2>/dev/null || cp -a "$info/$package":*.* "$made/var/lib/dpkg/info/"
done <"$work/packages"
cp -a /var/lib/dpkg/triggers/. "$made/var/lib/dpkg/triggers/"
: >"$made/var/lib/dpkg/available"

tar -C / --create --file="$tar" --null --no-recursion --files-from="$work/list"
tar -C "$made" --append --file="$tar" .
