#!/bin/sh
# The encoder that is mel of some seconds: heads learn on it, and the model that
# they make is one for every command.
. "$TOP_SRCDIR/tests/cli/lib.sh"
MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS
mkdir songs
music songs/a.wav
awk 'BEGIN { for (i = 0; i < 8; i++) print i / 2 "\t" i % 4 + 1 }' >songs/a.beats
printf '0\t1\tC:maj\n1\t2\tD:maj\n2\t3\tE:maj\n3\t4\tGb:maj\n' >songs/a.lab
echo C:maj >songs/a.key
cp songs/a.wav a.wav

# 0.4 s of 8 bands
MEL="--preset melstack --set encoder.context=0.4 --set encoder.bands=8
    --set train.crop=2 --set train.batch=3 --threads 1 --progress never"

# no weights: nothing to learn but heads
# shellcheck disable=SC2086 # words
{
    expect_usage probe key $MEL --finetune --data songs -o m.safetensors
    expect_in_stderr "--finetune: an encoder of type mel has no weights"
    expect_no_file m.safetensors
    expect_usage pretrain --preset melstack --data songs -o r
    expect_in_stderr "melstack: an encoder of type mel has no weights"
    expect_usage pretrain --preset melstack --dry-run
    run probe key $MEL --set encoder.bands=7 --data songs -o m.safetensors \
        --run r1
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "encoder.bands: 7"
    expect_usage probe key $MEL --layer 1 --data songs -o m.safetensors \
        --run r2

    run probe beats,chords,key $MEL --data songs --dev songs --steps 40 \
        --set train.valid_every=20 -o m.safetensors --run r3
}
expect_exit 0
expect_file m.safetensors
expect_no_file r3/states.tmp
# it learns: on what it has heard it is better than at first
sed -n 's/.*"valid_loss":\([0-9.]*\).*/\1/p' r3/metrics.ndjson >losses
[ "$(wc -l <losses)" -eq 2 ] || fail "two losses expected"
awk '{ v[NR] = $1 } END { exit !(v[2] < v[1]) }' losses ||
    fail "a loss that falls expected: $(tr '\n' ' ' <losses)"
# heads alone: 20 rows of 8 bands go into each
tr -d '\\' <m.safetensors | grep -aq '"head.key.hidden.weight":{"dtype":"F32","shape":\[512,160\]' ||
    fail "weights (512, 160) expected"

run embed -m m.safetensors -o a.npy a.wav
expect_exit 0
expect_no_stderr
head -c 128 a.npy | tr -d '\000' | grep -aqF "(200, 160)" ||
    fail "an array (200, 160) expected"
for layer in all last 0; do
    run embed -m m.safetensors --layer $layer --pool mean --format ndjson a.wav
    expect_exit 0
    expect_json
done
expect_usage embed -m m.safetensors --layer 1 a.wav
run annotate -m m.safetensors --tasks beats,chords,key a.wav
expect_exit 0
expect_json
run chords -m m.safetensors a.wav
expect_exit 0
cp stdout own
run chords -m m.safetensors a.npy
expect_exit 0
expect_same own stdout
run tokenize -m m.safetensors a.wav
expect_exit 1
expect_one_line_stderr
run convert m.safetensors -o n.safetensors
expect_exit 0
run chords -m n.safetensors a.wav
expect_same own stdout

# songs against their labels
run eval chords --dataset folder --root songs -m m.safetensors --format json
expect_exit 0
expect_json
