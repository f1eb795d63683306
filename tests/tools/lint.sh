#!/bin/sh
# lint.sh: the sources' form and the static analysers. LINT_FLAGS are the compiler flags for clang-tidy and cppcheck, C_FILES
# and SHELL_FILES what to look at. clang-format must be there; another tool that is not is named and left out.
set -u
failed=0

# run TOOL COMMAND...
run() {
        tool=$1
        shift
        if ! command -v "$tool" >/dev/null; then
                echo "lint: $tool is not installed: left out" >&2
                [ "$tool" != clang-format ] || failed=1
                return
        fi
        printf '  %-8s %s\n' LINT "$tool"
        "$@" || failed=1
}

sources=$(printf '%s\n' $C_FILES | grep '\.c$')

tidy() {
        # One file each: clang's va_list checker carries its state from one file of a run into the next. What it prints to standard
        # error is only the count of warnings in system headers, unless it fails.
        printf '%s\n' $sources | xargs -P "$(nproc)" -n 1 sh -c '
                flags=$1 checks=; shift
                case $1 in tests/*) checks=--checks=-cert-env33-c ;; esac # tests may call system()
                clang-tidy --quiet $checks "$@" -- $flags 2>"$tmp.$$" && rm "$tmp.$$" && exit
                cat "$tmp.$$"; rm "$tmp.$$"; exit 1' tidy "$LINT_FLAGS"
}

tmp=$(mktemp -u)
export tmp
run clang-format clang-format --dry-run -Werror $C_FILES
run clang-tidy tidy
run cppcheck cppcheck --quiet --std=c17 --language=c --enable=warning,performance,portability --error-exitcode=1 --inline-suppr \
        -j "$(nproc)" --suppressions-list=tests/tools/cppcheck.txt --include=tests/tools/cppcheck.h \
        -I. -D_GNU_SOURCE -DPURSER_VERSION='"0"' -D__linux__ $sources
run shellcheck shellcheck --severity=warning $SHELL_FILES
exit $failed
