# Turns the `// links:`, `// libs:` and `// ldflags:` lines at the head of each test into rules for make.
function words(line) { sub(/^\/\/ *[a-z]+: */, "", line); return line }
FNR == 1 { program = FILENAME; sub(/\.c$/, "", program); program = O "/" program }
FNR > 20 { nextfile }
/^\/\/ *links:/ {
        # The one module of more than one file that tests of all layers link.
        sub(/common\/secret\.c/, "common/secret*.c")
        n = split(words($0), files, /[ \t]+/)
        for (i = 1; i <= n; i++)
                if (files[i] != "")
                        print program ": $(call obj,$(or $(wildcard " files[i] ")," files[i] "))"
}
/^\/\/ *libs:/ { print program ": EXTRA_PKGS += " words($0) }
/^\/\/ *ldflags:/ { print program ": EXTRA_LDFLAGS += " words($0) }
