#!/bin/sh
# The manual pages have no mistakes that mandoc or groff can see.
set -u
cd "${TOP_SRCDIR:-.}" || exit 99
bad=0
done=0
if command -v mandoc >/dev/null 2>&1; then
    done=1
    mandoc -T lint -W warning man/*.[157] || bad=1
fi
if command -v groff >/dev/null 2>&1; then
    done=1
    for page in man/*.[157]; do
        said=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
        if [ -n "$said" ]; then
            echo "$page: $said"
            bad=1
        fi
    done
fi
if [ $done -eq 0 ]; then
    echo "skipped: neither mandoc nor groff"
    exit 77
fi
exit $bad
