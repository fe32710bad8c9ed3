#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# tools/make-noise: sound with labels that say that there is no music, which
# models can learn from.
. "$TOP_SRCDIR/tests/cli/lib.sh"

MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS
need ffmpeg
"$TOP_SRCDIR/tools/make-noise" noise 3 || fail "make-noise"
for i in 01 24; do
    run annotate --format text --quiet "noise/noise$i.opus" -o /dev/null
    expect_exit 0
done
[ "$(find noise -name '*.opus' | wc -l)" = 24 ] || fail "not 24 clips"
run probe beats,chords,key --preset tiny --finetune --data noise --steps 1 \
    --set train.crop=3 --set train.log_every=1 -q -o none.safetensors
expect_exit 0
for task in beats chords key; do # all of them count
    grep -q "\"accuracy_$task\":[0-9]" none.safetensors.run/metrics.ndjson ||
        fail "nothing to learn about $task"
done
