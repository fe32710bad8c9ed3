#!/bin/sh
# Each line of commands.def has its manual page and its test.
set -u
cd "${TOP_SRCDIR:-.}" || exit 99
bad=0
n=0
for name in $(sed -n 's/^CMD(\([a-z]*\),.*/\1/p' src/cmd/commands.def); do
    n=$((n + 1))
    for file in "man/mfm-$name.1" "tests/cli/$name.sh"; do
        if [ ! -f "$file" ]; then
            echo "$name: no $file"
            bad=1
        fi
    done
    if ! grep -q "^\.BR mfm\\\\-$name (1)" man/mfm.1; then
        echo "$name: not named in the SEE ALSO of man/mfm.1"
        bad=1
    fi
done
if [ "$n" -eq 0 ]; then
    echo "no commands found in src/cmd/commands.def"
    exit 1
fi
# what make knows: a page that is not installed, a test that is never run
for file in man/*.1 tests/cli/*.sh tests/meta/*.sh; do
    if [ "$file" != tests/cli/lib.sh ] &&
        ! grep -q "^	$file\( \\\\\)*\$" Makefile.am; then
        echo "$file: not listed in Makefile.am"
        bad=1
    fi
done
exit $bad
