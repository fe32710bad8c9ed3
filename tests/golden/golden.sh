#!/bin/sh
# Reference numbers: the sets of this checkout always, those of ../shared (more
# sounds, more sizes) where they are.
set -eu
own=$TOP_SRCDIR/tests/data/golden
shared=${MFM_SHARED:-$TOP_SRCDIR/../shared}/fixtures/golden
exec "$TOP_BUILDDIR/tests/golden_check" \
    "$own/mel" "$own/dbn" "$own/pieces" "$own/conformer25" "$own/conformer75" \
    "$shared/mel" "$shared/conformer25" "$shared/conformer50" \
    "$shared/conformer75" "$shared/dbn" "$shared/pieces" \
    "$shared/features"
