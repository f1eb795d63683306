# Turns the `// links:`, `// libs:` and `// ldflags:` lines at the head of each test into rules for make. The first file is layers.txt.
# `// links: daemon/vault/` stands for the archives of that folder and of those below it, highest first.
function words(line) { sub(/^\/\/ *[a-z]+: */, "", line); return line }
FNR == NR {
        in_daemon = $1 == "stack" ? $2 == "daemon" : in_daemon
        if (in_daemon && $2 ~ /\/\*$/)
                folders[++n_folders] = substr($2, 1, length($2) - 2)
        next
}
FNR == 1 { program = FILENAME; sub(/\.c$/, "", program); program = O "/" program }
FNR > 20 { nextfile }
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
