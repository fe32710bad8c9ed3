#!/bin/sh
# The same reference numbers on the CUDA backend, emulated (tests/emu): hidden
# states, losses, gradients and three Adam steps of whole models; in bf16 hidden
# states.
set -eu
[ -e "$MFM_CUDA_MODULE" ] || { echo "skipped: no $MFM_CUDA_MODULE"; exit 77; }
EMU_DEVICES=1
export EMU_DEVICES
own=$TOP_SRCDIR/tests/data/golden
shared=${MFM_SHARED:-$TOP_SRCDIR/../shared}/fixtures/golden
"$TOP_BUILDDIR/tests/golden_check" --device cuda --bf16 "$own/conformer25"
exec "$TOP_BUILDDIR/tests/golden_check" --device cuda \
    "$own/conformer25" "$shared/conformer25" "$shared/bert_prenorm"
