#!/bin/sh
# dist.sh NAME FILE: makes the release FILE (.tar.gz) of this tree, all in the folder NAME. The same tree makes the same bytes.
set -eu
name=$1 file=$2

# Without git this is an unpacked release, where nothing but what was built lies about.
list() {
        git ls-files -z 2>/dev/null || find . '(' -path './build*' -o -path ./.git -o -name node_modules -o -name __pycache__ -o \
                -name .pytest_cache ')' -prune -o -type f -printf '%P\0'
}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat --format=%Y Makefile)}

mkdir -p "$(dirname "$file")"
list | sort -z | tar --create --null --no-recursion --files-from=- --format=ustar --mtime="@$epoch" --mode=u=rwX,go=rX \
        --owner=0 --group=0 --numeric-owner --transform="s,^,$name/," | gzip -9n >"$file.new"
mv "$file.new" "$file"
