#!/bin/sh
# Hidden states in bf16, where the processor has it, against the references.
set -eu
own=$TOP_SRCDIR/tests/data/golden
shared=${MFM_SHARED:-$TOP_SRCDIR/../shared}/fixtures/golden
exec "$TOP_BUILDDIR/tests/golden_check" --bf16 \
    "$own/conformer25" "$own/conformer75" "$shared/conformer25" \
    "$shared/conformer50" "$shared/conformer75" "$shared/bert_prenorm" \
    "$shared/bert_postnorm"
