#!/bin/sh
# mfm probe: heads on frozen and learning encoders, what stays and what changes,
# resuming, songs that join by the model's own labels, broken labels, misuse.
. "$TOP_SRCDIR/tests/cli/lib.sh"

MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS

# the smallest encoder, and steps as short as they can be
small() {
    printf -- '--set %s ' encoder.dim=16 encoder.layers=2 encoder.heads=2 \
        encoder.ffn=32 encoder.conv_dim=4 encoder.kernel=7 window=4
}
SHORT="--progress never --loaders 1 --set train.batch=2 --set train.warmup=2
    --set train.log_every=2 --set train.crop=4"

need ffmpeg
mkdir songs
ffmpeg -v error -i "$SAMPLE.opus" -t 12 -ac 1 -ar 24000 songs/rock50s.wav \
    </dev/null || skip "ffmpeg cannot read the sample"
for kind in beats lab seg key tags; do
    cp "$SAMPLE.$kind" songs
done

# annotations of a model without what tells the models apart
labels() {
    run annotate -m "$1" --progress never songs/rock50s.wav
    expect_exit 0
    expect_json
    sed '/"model":/,/}/d' stdout
}
# a metric of the last line of a run that has it
metric() {
    sed -n "s/.*\"$2\":\([^,}]*\).*/\1/p" "$1/metrics.ndjson" | tail -n 1
}
is_less() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }' ||
        fail "$1 < $2 expected"
}

# an encoder that knows nothing, learning with its heads
# shellcheck disable=SC2046,SC2086 # lists of options
run probe beats,key --preset tiny $(small) --finetune --data songs --steps 30 \
    $SHORT -o base.safetensors
expect_exit 0
expect_no_stdout
expect_no_stderr
for file in config.json metrics.ndjson model.safetensors report.html; do
    expect_file base.safetensors.run/$file
done
first=$(sed -n 's/.*"loss":\([^,]*\).*/\1/p;q' \
    base.safetensors.run/metrics.ndjson)
is_less "$(metric base.safetensors.run loss)" "$first"
labels base.safetensors >base.txt
grep -q '"beats"' base.txt || fail "beats expected"
grep -q '"chords"' base.txt && fail "no chords expected"
grep -aq '"mfm_training"' base.safetensors || fail "figures expected"
grep -aq 'fine-tuned on beats,key by mfm' base.safetensors ||
    fail "provenance expected"
run embed -m base.safetensors -o base.npy songs/rock50s.wav --progress never
expect_exit 0

# frozen: two heads more; what was there says what it said, and the hidden
# states are the same to the bit
# shellcheck disable=SC2086
run probe chords,structure -m base.safetensors --data songs --dev songs \
    --steps 6 --set train.valid_every=3 $SHORT -o more.safetensors
expect_exit 0
expect_no_stderr
labels more.safetensors >more.txt
for task in beats chords structure key; do
    grep -q "\"$task\":" more.txt || fail "$task expected"
done
run beats -m base.safetensors songs/rock50s.wav --progress never
cp stdout base.beats
run beats -m more.safetensors songs/rock50s.wav --progress never
expect_same stdout base.beats
run embed -m more.safetensors -o more.npy songs/rock50s.wav --progress never
expect_same more.npy base.npy
[ "$(metric more.safetensors.run valid_loss_chords)" ] ||
    fail "the loss on dev expected"
grep -aq dev_accuracy more.safetensors || fail "accuracy on dev expected"
run eval chords --dataset folder --root songs -m more.safetensors -q
expect_exit 0
expect_json

# nothing is overwritten unless that is said
# shellcheck disable=SC2086
again() {
    run probe chords -m base.safetensors --data songs --steps 2 $SHORT \
        -o more.safetensors "$@"
}
cp more.safetensors kept
again
expect_exit 2
expect_one_line_stderr
expect_in_stderr "--force"
cmp -s kept more.safetensors || fail "more.safetensors must be as it was"
again --force
expect_exit 0
cmp -s kept more.safetensors && fail "more.safetensors must be replaced"

# layers, protocols, arithmetic
for layer in 0 1 mix last; do
    # shellcheck disable=SC2086
    run probe key -m base.safetensors --data songs --steps 2 $SHORT \
        --layer $layer -o layer-$layer.safetensors
    expect_exit 0
    labels layer-$layer.safetensors >/dev/null
done
grep -aq 'head.key.mix' layer-mix.safetensors || fail "a mixture expected"
for protocol in paper release; do
    # shellcheck disable=SC2086
    run probe beats -m base.safetensors --data songs --steps 2 $SHORT \
        --protocol $protocol -o $protocol.safetensors
    expect_exit 0
done
grep -aq 'rate.":20,' paper.safetensors || fail "20 beats rows a second"
for precision in f32 bf16; do
    # shellcheck disable=SC2086
    run probe key,tag -m base.safetensors --data songs --steps 4 $SHORT \
        --precision $precision -o $precision.safetensors
    if [ $precision = bf16 ] && [ "$rc" -eq 1 ] &&
        grep -qF "processor does not have it" stderr; then
        echo "note: no bf16 in this processor"
        break
    fi
    expect_exit 0
    labels $precision.safetensors >/dev/null
done
if [ -e bf16.safetensors ]; then
    is_less "$(metric bf16.safetensors.run loss)" 100
    cmp -s f32.safetensors.run/metrics.ndjson \
        bf16.safetensors.run/metrics.ndjson &&
        fail "two kinds of arithmetic expected"
fi

# the same run, cut off at any moment, gives the same file
interrupted() {
    name=$1
    shift
    # shellcheck disable=SC2086
    run probe "$@" $SHORT -o whole-$name.safetensors
    expect_exit 0
    # shellcheck disable=SC2086
    "$MFM" probe "$@" $SHORT -o cut-$name.safetensors 2>stderr &
    pid=$!
    tries=0
    until ls cut-$name.safetensors.run/checkpoints/step-* >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || fail "a checkpoint expected"
        sleep 0.05
    done
    kill -9 $pid
    wait $pid 2>/dev/null
    [ ! -e cut-$name.safetensors ] || echo "note: $name ended before the kill"
    run probe --resume -o cut-$name.safetensors --progress never
    expect_exit 0
    cmp -s whole-$name.safetensors cut-$name.safetensors ||
        fail "a resumed run must give what an undisturbed one gives"
}
interrupted frozen beats,chords -m base.safetensors --data songs --dev songs \
    --steps 120 --set train.valid_every=20 --set train.save_every=10
# shellcheck disable=SC2046
interrupted fine beats -m base.safetensors --data songs --finetune \
    --steps 60 --set train.save_every=5 --set train.mixture=0.5
run probe chords --resume -o cut-frozen.safetensors
expect_exit 2
expect_one_line_stderr
expect_in_stderr "goes on as it began"
run probe --resume -m more.safetensors -o cut-frozen.safetensors
expect_exit 2
expect_in_stderr "not the model that the run"
run probe --resume -o nothing.safetensors
expect_exit 1
expect_one_line_stderr

# early stopping
# shellcheck disable=SC2086
run probe key -m base.safetensors --data songs --dev songs --steps 400 $SHORT \
    --set train.lr=1 --set train.valid_every=2 --set train.patience=2 \
    -o early.safetensors
expect_exit 0
last=$(sed -n 's/^{"step":\([0-9]*\),.*/\1/p' \
    early.safetensors.run/metrics.ndjson | tail -n 1)
[ "$last" -lt 400 ] || fail "an early end expected"

# songs without labels join where the model is sure, known ones do not
mkdir more
cp songs/rock50s.wav more/known.wav
ln -s ../songs/rock50s.wav more/link.wav
for p in 0.5 1; do
    # shellcheck disable=SC2086
    run probe chords,key -m default --data songs --self-train more -v \
        --confidence $p --steps 2 $SHORT -o self-$p.safetensors
    expect_exit 0
done
expect_in_stderr "none of the 2 songs of --self-train joins"
expect_in_stderr "training data: 1 recordings"
# shellcheck disable=SC2086
run probe chords,key -m default --data songs --self-train more -v --force \
    --confidence 0.5 --steps 2 $SHORT -o self-0.5.safetensors
expect_in_stderr "1 of 2 songs of --self-train join"
expect_in_stderr "training data: 2 recordings"
# shellcheck disable=SC2086
run probe chords -m base.safetensors --data songs --self-train more --steps 2 \
    $SHORT -o no.safetensors
expect_exit 2
expect_one_line_stderr
expect_in_stderr "chords"
expect_no_file no.safetensors.run

# labels that are broken cost their song, and a line each
mkdir mixed
cp songs/* mixed
cp songs/rock50s.wav mixed/broken.wav
printf '0.5\t1\nx\t2\n' >mixed/broken.beats
# shellcheck disable=SC2086
run probe beats -m base.safetensors --data mixed --steps 2 $SHORT \
    -o mixed.safetensors
expect_exit 0
expect_one_line_stderr
expect_in_stderr "broken.beats:2"
rm mixed/rock50s.beats
# shellcheck disable=SC2086
run probe beats -m base.safetensors --data mixed --steps 2 $SHORT \
    -o none.safetensors
expect_exit 2
expect_lines 2 stderr
expect_in_stderr "no song with audio and labels"
expect_no_file none.safetensors.run

# an encoder that hears the sound
if [ -e "$SHARED/fixtures/golden/bert_prenorm/pytorch_model.bin" ]; then
    run convert "$SHARED/fixtures/golden/bert_prenorm/pytorch_model.bin" \
        -o mert.safetensors
    expect_exit 0
    for how in "" --finetune; do
        # shellcheck disable=SC2086
        run probe key,beats -m mert.safetensors --data songs $how --steps 2 \
            $SHORT --set train.crop=1 -o bert$how.safetensors
        expect_exit 0
        labels bert$how.safetensors >/dev/null
    done
fi

# what cannot be meant
expect_usage probe
expect_usage probe beats
expect_usage probe beats -o a.safetensors
expect_usage probe beats chords --data songs -o a.safetensors
expect_usage probe melody --data songs -o a.safetensors
expect_usage probe beats,beats --data songs -o a.safetensors
expect_usage probe beats --dataset harmonix -o a.safetensors
expect_usage probe beats --data songs --layer 99 -o a.safetensors
expect_usage probe beats --data songs --layer x -o a.safetensors
expect_usage probe beats --data songs --protocol other -o a.safetensors
expect_usage probe beats --data songs --set encoder.dim=8 -o a.safetensors
expect_usage probe beats --data songs --set train.nothing=8 -o a.safetensors
expect_usage probe beats --data songs --confidence 2 -o a.safetensors
expect_usage probe key --preset tiny --self-train more --data songs \
    -o a.safetensors
expect_usage probe --resume --preset tiny -o cut-frozen.safetensors
expect_no_file a.safetensors
expect_no_file a.safetensors.run
