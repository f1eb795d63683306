# Makes rules for make of what tests say at their heads. Files: layers.txt, then tests/beds/*.[ch], then the tests.
#   #include "tests/beds/core.h"       links core.c, and the beds that core.h and core.c include
#   // links: daemon/vault/ client/x.c  links the archives of that folder and of those below it, highest first; and a file
#   // libs: libsodium                  links a library, by its name for pkg-config
#   // ldflags: -Wl,--wrap=malloc
function words(line) { sub(/^\/\/ *[a-z]+: */, "", line); return line }
function is_bed(file) { return file ~ /^tests\/beds\// }

FNR == NR {
        in_daemon = $1 == "stack" ? $2 == "daemon" : in_daemon
        if (in_daemon && $2 ~ /\/\*$/)
                folders[++n_folders] = substr($2, 1, length($2) - 2)
        next
}
FNR == 1 { program = FILENAME; sub(/\.c$/, "", program); program = O "/" program; exists[FILENAME] = 1 }
/^#include "tests\/beds\// { split($0, quoted, "\""); includes[FILENAME] = includes[FILENAME] " " quoted[2] }
FNR > 20 { next }

function link_folder(folder, i)
{
        for (i = n_folders; i > 0 && folders[i] != folder; i--)
                ;
        if (i == 0)
                print "$(error " FILENAME ": " folder "/ is no layer)"
        for (; i > 0; i--)
                print program ": " O "/" folders[i] ".a"
}
/^\/\/ *links:/ {
        n = split(words($0), files, /[ \t]+/)
        for (i = 1; i <= n; i++)
                if (files[i] ~ /\/$/)
                        link_folder(substr(files[i], 1, length(files[i]) - 1))
                else if (files[i] != "")
                        print program ": $(call obj,$(or $(wildcard " files[i] ")," files[i] "))"
}
/^\/\/ *libs:/ { print program ": EXTRA_PKGS += " words($0) }
/^\/\/ *ldflags:/ { print program ": EXTRA_LDFLAGS += " words($0) }

function link_beds(file, names, n, i, source)
{
        n = split(includes[file], names, " ")
        for (i = 1; i <= n; i++) {
                if (names[i] in linked)
                        continue
                linked[names[i]]
                link_beds(names[i])
                source = names[i]
                sub(/\.h$/, ".c", source)
                if (source in exists) {
                        print program ": " O "/" substr(source, 1, length(source) - 2) ".o"
                        link_beds(source)
                }
        }
}
END {
        for (file in exists)
                if (!is_bed(file)) {
                        program = O "/" substr(file, 1, length(file) - 2)
                        delete linked
                        link_beds(file)
                }
}
