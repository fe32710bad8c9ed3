#!/bin/sh
# mfm pretrain: a run, cut off anywhere, and all that can go wrong.
. "$TOP_SRCDIR/tests/cli/lib.sh"
MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS

# a model and steps of milliseconds
TINY="--preset tiny --threads 1 --set mel.bands=16 --set encoder.dim=16
    --set encoder.layers=1 --set encoder.ffn=32 --set encoder.conv_dim=4
    --set encoder.kernel=5 --set tokens.0.codes=32 --set tokens.0.dim=4
    --set train.crop=1.2 --set train.batch=3 --set train.warmup=4
    --set train.dropout=0.1 --set train.log_every=1 --set train.save_every=3
    --progress never"
for i in 1 2 3; do
    sound "music$i.wav" "aevalsrc=exprs='0.2*sin(2*PI*t*$((180 + 70 * i)))*\
lt(mod(t,0.5),0.3)+0.02*random($i)':d=$((3 + i)):s=24000"
done
mkdir music held
mv music[12].wav music
mv music3.wav held

# learn RUN [OPTION...]: of the music
learn() {
    out=$1
    shift
    # shellcheck disable=SC2086 # words
    run pretrain $TINY --data music "$@" -o "$out"
}

# expect_same_run RUN RUN: to the last digit
expect_same_run() {
    lines "$1" >one
    lines "$2" >two
    expect_same one two
    expect_same "$1/model.safetensors" "$2/model.safetensors"
    ls "$1/checkpoints" >one
    ls "$2/checkpoints" >two
    expect_same one two
}

# ---- what cannot be meant ----
run pretrain -h
expect_exit 0
expect_in_stdout "usage: mfm pretrain --preset NAME"
# shellcheck disable=SC2086
{
    expect_usage pretrain
    expect_usage pretrain $TINY -o r
    expect_usage pretrain $TINY --data music
    expect_usage pretrain --data music -o r
    expect_usage pretrain --resume
    expect_usage pretrain --resume --dry-run
    expect_usage pretrain --resume -o r --preset tiny
    expect_usage pretrain --resume -o r --tokens x
    expect_usage pretrain $TINY --data music -o r music/music1.wav
    expect_usage pretrain $TINY --data music -o r --set train.rate=1
    expect_in_stderr "train.rate"
    expect_usage pretrain $TINY --data music -o r --steps 0
    expect_usage pretrain $TINY --data music -o r --loaders 0
    expect_usage pretrain $TINY --data music -o r --dataset fma
    expect_usage pretrain $TINY --data music -o r --dataset gtzan --root .
    expect_usage pretrain $TINY --data music -o r --tokens x --codes
    expect_usage pretrain $TINY --dry-run --codec mp3
}
mkdir hollow
run pretrain $TINY --data hollow -o r
expect_exit 1
expect_one_line_stderr
expect_in_stderr "hollow: names no audio file"
expect_no_file r
mkdir r # but one that was there stays
run pretrain $TINY --data hollow -o r
expect_exit 1
[ -d r ] || fail "the folder is gone"
rmdir r hollow
learn r --set train.lr=1e30
expect_exit 1
expect_one_line_stderr
expect_in_stderr "train.lr"
learn r --set train.crop=60
expect_exit 2
expect_in_stderr "no recordings of 60 s"
learn r --set train.precision=fp16
expect_exit 1
expect_in_stderr "fp16"
run pretrain --preset nothing --data music -o r
expect_exit 1
expect_one_line_stderr
run pretrain --resume -o nowhere
expect_exit 1
expect_one_line_stderr
expect_in_stderr "nowhere"
# nothing was begun
[ ! -e r ] || rmdir r || fail "nothing in r expected"

# shellcheck disable=SC2086
run pretrain $TINY --dry-run
expect_exit 0
expect_no_stderr
expect_in_stdout "a step: 3 clips of 1.2 s"
run pretrain --dry-run --preset fm7 --ranks 8
expect_exit 0
expect_in_stdout "8 processes: each moves 2.27 GB a step"
expect_usage pretrain --ranks 8 --preset fm7 --data music -o r

# ---- a run ----
learn whole --steps 18 --valid held --set train.valid_every=9
expect_exit 0
expect_no_stdout
expect_no_stderr
expect_json whole/config.json
expect_json whole/metrics.ndjson
values whole loss >losses
expect_lines 18 losses
values whole valid_loss >losses
expect_lines 2 losses
for field in accuracy grad_norm lr hours hours_per_s skipped codes_used \
    perplexity valid_accuracy valid_unigram valid_commonest; do
    values whole $field | grep -q . || fail "metrics with $field expected"
done
grep -q '</html>' whole/report.html || fail "a report expected"
ls whole/checkpoints >got
printf '%s\n' step-000000015.safetensors step-000000018.safetensors >want
expect_same want got
# it is a model
run embed -m ./whole/model.safetensors -o states.npy music/music1.wav
expect_exit 0
run tokenize -m ./whole/model.safetensors music/music1.wav
expect_exit 0
# and stays
learn whole --steps 5
expect_exit 2
expect_one_line_stderr
expect_in_stderr "--resume"
# its settings are a preset
cp whole/config.json own.json
run pretrain --preset ./own.json --keep-stats --data music --valid held \
    --threads 1 --progress never -o again
expect_exit 0
expect_same_run whole again
# a short one; with other numbers of threads; with another seed
learn short --steps 8
expect_exit 0
learn short2 --steps 8 --loaders 3 --memory 0.0001
expect_exit 0
expect_same_run short short2
learn other --steps 8 --seed 2
expect_exit 0
lines other >one
lines short >two
if cmp -s one two; then
    fail "another seed gives the same run"
fi

# ---- longer than it was; to where it is; shorter ----
learn longer --steps 10 --set train.schedule=constant
learn longest --steps 20 --set train.schedule=constant
run pretrain --resume -o longer --steps 20 --threads 1 --progress never
expect_exit 0
expect_no_stderr
expect_same_run longest longer
grep -q '"steps":20,' longer/config.json || fail "20 steps in config.json"
run pretrain --resume -o longer --threads 1 --progress never
expect_exit 0
expect_same_run longest longer
expect_usage pretrain --resume -o longer --steps 9
expect_in_stderr "20 steps"
expect_usage pretrain --resume -o longer --set encoder.dim=32
grep -q '"dim":16' longer/config.json || fail "config.json changed"
run pretrain --resume -o longer --steps 22 --data held --threads 1 \
    --progress never
expect_exit 0
expect_in_stderr "other data"

# ---- killed anywhere ----
begin() {
    if [ -f cut/config.json ]; then
        exec "$MFM" pretrain --resume -o cut --threads 1 --progress never
    fi
    rm -rf cut
    # shellcheck disable=SC2086
    exec "$MFM" pretrain $TINY --data music --steps 18 --valid held \
        --set train.valid_every=9 -o cut
}
cmd="mfm pretrain, killed"
for i in 1 2 3 4 5 6; do
    moment=$(od -An -N 1 -t u1 /dev/urandom | tr -d ' ')
    (begin) >stdout 2>stderr &
    pid=$!
    sleep "0.$(printf '%03d' $((moment * 2)))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    rc=$?
    [ ! -s stderr ] || fail "killed after 0.$moment s: no message expected"
done
cmd="mfm pretrain, gone on with after kill -9"
(begin) >stdout 2>stderr
rc=$?
expect_exit 0
expect_same_run whole cut
[ -z "$(find cut -name '*.tmp*')" ] || fail "nothing half-written expected"

# ---- a signal ----
rm -rf cut
(begin) >stdout 2>stderr &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    [ ! -s cut/metrics.ndjson ] || break
    sleep 0.1
done
kill -TERM $pid
wait $pid
rc=$?
cmd="mfm pretrain, SIGTERM"
if [ $rc -ne 0 ]; then # it was not done before
    expect_exit 1
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr "stopped by a signal after"
    expect_in_stderr "model.safetensors in it is the model so far"
    expect_in_stderr "--resume"
    [ -n "$(ls cut/checkpoints)" ] || fail "a checkpoint expected"
fi
cmd="mfm pretrain, gone on with after SIGTERM"
(begin) >stdout 2>stderr
rc=$?
expect_exit 0
expect_same_run whole cut

# ---- a full disk ----
learn full --steps 6
ls full/checkpoints >want
size=$(wc -c <full/checkpoints/step-000000006.safetensors)
cmd="mfm pretrain, full disk"
# the model fits; of sh, where the unit is 512 bytes (bash has another)
sh -c 'ulimit -f "$1" && shift && exec "$@"' sh $((size / 512 - 2)) \
    "$MFM" pretrain --resume --steps 12 -o full --threads 1 \
    --progress never >stdout 2>stderr
rc=$?
expect_exit 1
expect_one_line_stderr
expect_in_stderr "checkpoints/step-000000009.safetensors"
ls -A full/checkpoints >got
expect_same want got
run pretrain --resume -o full --steps 12 --threads 1 --progress never
expect_exit 0
run embed -m ./full/model.safetensors -o states.npy music/music1.wav
expect_exit 0

# damaged checkpoints: the one before, or none
cp -r short damaged
printf x | dd of=damaged/checkpoints/step-000000008.safetensors bs=1 \
    seek=$((size / 2)) conv=notrunc 2>dd.err
run pretrain --resume -o damaged --threads 1 --progress never
expect_exit 0
expect_one_line_stderr
expect_in_stderr "step-000000008.safetensors: damaged"
expect_same_run short damaged
for file in damaged/checkpoints/*; do
    printf x | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc 2>dd.err
done
run pretrain --resume -o damaged
expect_exit 1
expect_in_stderr "damaged"

# ---- data ----
cp -r music worse
(cd worse && broken)
# shellcheck disable=SC2086
run pretrain $TINY --data worse --steps 3 -o worse.run
expect_exit 0
expect_in_stderr "worse/text.wav"
expect_in_stderr "worse/empty.wav"
mkdir none
cp worse/text.wav none
# shellcheck disable=SC2086
run pretrain $TINY --data none --steps 3 -o none.run
expect_exit 1
expect_in_stderr "none/text.wav"
# lists name files from where they are
printf 'music/music1.wav\nmusic/music2.wav\n' >list
# shellcheck disable=SC2086
run pretrain $TINY --data list --steps 8 -o listed
expect_exit 0
expect_same_run short listed

run pretrain --pack set --data music --codec s16
expect_exit 0
expect_no_stdout
expect_no_stderr
expect_file set.ndjson
expect_file set-00000.mfms
cp set.ndjson set.before
expect_usage pretrain --pack set --data held
expect_in_stderr "--force"
expect_same set.before set.ndjson
# shellcheck disable=SC2086
run pretrain $TINY --data set.ndjson --steps 8 -o packed
expect_exit 0
expect_same_run short packed
run pretrain --pack set --data music --codec flac --force
expect_exit 0
# shellcheck disable=SC2086
run pretrain $TINY --data set.ndjson --steps 8 -o packed2
expect_exit 0
expect_same_run short packed2
run pretrain --pack worse.set --data worse
expect_exit 1
expect_in_stderr "worse/text.wav"
expect_file worse.set.ndjson
run pretrain --pack nowhere/set --data music
expect_exit 1
expect_one_line_stderr

# ---- tokens ----
run tokenize --fit random --codes 24 --dim 4 --rate 50 -q -o own.st music/*
expect_exit 0
learn own --tokens own.st --steps 3
expect_exit 2
expect_in_stderr "mel" # of 128 bands
learn own --tokens ./own.st --steps 4 --set mel.bands=128
expect_exit 0
run tokenize -m ./own.st -q music/music1.wav
sed 's/.*"tokens"//' stdout >want
run tokenize -m ./own/model.safetensors -q music/music1.wav
sed 's/.*"tokens"//' stdout >got
expect_same want got
# those of the file, and its weights, are found again without a checkpoint
learn own2 --tokens ./own.st --steps 4 --set mel.bands=128
rm -r own2/checkpoints own2/model.safetensors
run pretrain --resume -o own2 --threads 1 --progress never
expect_exit 0
expect_same_run own own2
# k-means must be fitted
MERT="--preset fm1 --set encoder.layers=1 --set encoder.dim=16
    --set encoder.ffn=16 --set encoder.conv_dim=[4,4,4,4,4,4,4]
    --set encoder.pos_kernel=4 --set encoder.pos_groups=2
    --set encoder.heads=2 --set train.crop=1 --set train.batch=2
    --set train.log_every=1 --threads 1 --progress never"
# shellcheck disable=SC2086
run pretrain $MERT --keep-stats --data music -o kmeans
expect_exit 1
expect_in_stderr "--tokens"
run tokenize --fit kmeans --codes 12,7 -q -o clusters.safetensors music/*
expect_exit 0
# shellcheck disable=SC2086
run pretrain $MERT --tokens clusters.safetensors --data music --steps 3 \
    -o kmeans
expect_exit 0
values kmeans loss_cqt >losses
expect_lines 3 losses
run tokenize -m ./kmeans/model.safetensors music/music1.wav
expect_exit 0
expect_in_stdout '"rate":75,"codes":[12,7],'

# tokens of another program: here our own
learn drawn --steps 6
run tokenize -m ./drawn/model.safetensors --format npy -q --out-dir codes \
    music/*
learn read --codes-dir codes --steps 6
expect_exit 0
expect_no_stderr
[ "$(values read loss | tail -n 1)" != "$(values drawn loss | tail -n 1)" ] ||
    fail "crops at other places expected"
cp codes/*.npy music
learn read2 --codes --steps 6
expect_exit 0
expect_same_run read read2
rm music/*.npy
learn read3 --codes --steps 6
expect_exit 1
expect_one_line_stderr
expect_in_stderr "music/music1.npy"
cp codes/music2.npy codes/music1.npy
learn read4 --codes-dir codes --steps 6
expect_exit 1
expect_one_line_stderr
expect_in_stderr "codes/music1.npy: 250 tokens"

# ---- weights ----
learn warm --init ./whole/model.safetensors --steps 5
expect_exit 0
values warm loss | head -n 1 >first
values whole loss | head -n 1 >>first
awk 'NR == 1 { warm = $1 } END { exit !(warm < $1 - 0.3) }' first ||
    fail "a loss below that of a new model expected"
# one that is no number, among the trained ones
cp whole/model.safetensors nan.safetensors
head=$(od -An -v -t d4 -N 4 nan.safetensors | tr -d ' ')
printf '\000\000\300\177' | dd of=nan.safetensors bs=1 seek=$((8 + head + 80)) \
    conv=notrunc 2>dd.err
learn nan --init ./nan.safetensors --steps 40
expect_exit 1
expect_in_stderr "step 1 skipped: loss nan"
expect_in_stderr "nan: the loss of the last 20 steps is not finite"
expect_lines 21 stderr
values nan loss | sort | uniq >got
echo null >want
expect_same want got
