#!/bin/sh
# The usage lines of each command's -h are the SYNOPSIS of its manual page, and
# every long option of -h is named there and explained, as the head of a
# paragraph, there or under COMMON OPTIONS in mfm(1).
set -u
bad=0
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# plain PAGE: without fonts and escapes
plain() {
    sed -e 's/\\f[BIRP]//g' -e 's/\\-/-/g' "$1"
}

plain "$TOP_SRCDIR/man/mfm.1" |
    sed -n '/^\.SH COMMON OPTIONS/,/^\.SH CATALOGUES/p' >"$tmp/common"

# compare NAME COMMAND...
compare() {
    page=$TOP_SRCDIR/man/$1.1
    shift
    "$@" -h >"$tmp/help" || { echo "$*: -h failed"; bad=1; }
    sed -n 's/^usage: //p; s/^   or: //p' "$tmp/help" >"$tmp/usage"
    plain "$page" >"$tmp/plain"
    sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' "$tmp/plain" |
        sed '/^\./d; /^$/d' >"$tmp/synopsis"
    if ! diff "$tmp/usage" "$tmp/synopsis"; then
        echo "$*: -h (<) and the SYNOPSIS of $page (>) differ"
        bad=1
    fi
    sed -n 's/^ .*\(--[a-z][a-z-]*\).*/\1/p' "$tmp/help" |
        grep -e -- >"$tmp/options"
    while read -r option; do
        if ! grep -q -e "$option\([^a-z-]\|\$\)" "$tmp/plain"; then
            echo "$*: $option is not in $page"
            bad=1
        elif ! cat "$tmp/plain" "$tmp/common" | grep -A 1 '^\.TP$' |
            grep -q -e "^\(-., \)*$option\( \|\$\)"; then
            echo "$*: $option is explained neither in $page nor in mfm.1"
            bad=1
        fi
    done <"$tmp/options"
}

compare mfm "$MFM"
for name in $(sed -n 's/^CMD(\([a-z]*\),.*/\1/p' \
    "$TOP_SRCDIR/src/cmd/commands.def"); do
    compare "mfm-$name" "$MFM" "$name"
done
exit $bad
