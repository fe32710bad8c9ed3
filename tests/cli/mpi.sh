#!/bin/sh
# mfm pretrain in several processes: as one that has the whole batch.
. "$TOP_SRCDIR/tests/cli/lib.sh"
MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS
need mpirun
"$MFM" --version | grep -q 'MPI yes' || skip "mfm was built without MPI"

# a model and steps of milliseconds, with all that depends on a sample's place
# in the batch
TINY="--threads 1 --loaders 1 --set mel.bands=16
    --set encoder.dim=16 --set encoder.layers=2 --set encoder.ffn=32
    --set encoder.conv_dim=4 --set encoder.kernel=5 --set tokens.0.codes=32
    --set tokens.0.dim=4 --set train.crop=1.2 --set train.batch=8
    --set train.accumulate=2 --set train.warmup=4 --set train.dropout=0.1
    --set train.layer_drop=0.2 --set train.log_every=1
    --set train.save_every=3 --set train.schedule=constant --progress never"
for i in 1 2 3; do
    sound "music$i.wav" "aevalsrc=exprs='0.2*sin(2*PI*t*$((180 + 70 * i)))*\
lt(mod(t,0.5),0.3)+0.02*random($i)':d=$((3 + i)):s=24000"
done
mkdir music
mv music[123].wav music

# learn N RUN [OPTION...]
learn() {
    n=$1 out=$2
    shift 2
    # shellcheck disable=SC2086 # words
    ranks "$n" pretrain --preset tiny $TINY --data music "$@" -o "$out"
}

# again N RUN STEPS: goes on with it
again() {
    ranks "$1" pretrain --resume --threads 1 --loaders 1 --progress never \
        --steps "$3" -o "$2"
}

# expect_near RUN RUN N: N losses and accuracies within 1e-5; gradients within
# 1e-2, as a ReLU's argument that is almost 0 may fall to either side
expect_near() {
    for field in loss accuracy perplexity hours grad_norm; do
        values "$1" $field >got
        values "$2" $field >want
        expect_lines "$3" got
        paste got want | awk -v most="$([ $field = grad_norm ] && echo 1e-2 ||
            echo 1e-5)" '{ d = $1 - $2; if (d < 0) d = -d
            if (!(d <= most * ($1 > 1 ? $1 : 1))) exit 1 }' ||
            fail "$field of $1 and $2 differ"
    done
}

# ---- two and four processes against one ----
run pretrain --preset tiny $TINY --data music --steps 9 -o whole
expect_exit 0
learn 2 two --steps 9
expect_exit 0
expect_no_stdout
grep '^mfm: ' stderr && fail "no word of mfm expected" # Open MPI may have one
expect_near whole two 9
learn 4 four --steps 9
expect_exit 0
expect_near whole four 9
ls two/checkpoints >got
ls whole/checkpoints >want
expect_same got want
run embed -m ./two/model.safetensors -o states.npy music/music1.wav
expect_exit 0

# ---- one, two, then one go on with the same run ----
run pretrain --preset tiny $TINY --data music --steps 3 -o elastic
expect_exit 0
again 2 elastic 6
expect_exit 0
again 1 elastic 9
expect_exit 0
expect_near whole elastic 9

# ---- a BERT, with masked embeddings ----
BERT="--preset fm3 --threads 1 --loaders 1 --set encoder.dim=16
    --set encoder.layers=2 --set encoder.ffn=32 --set encoder.heads=2
    --set encoder.conv_dim=[8,8,8,8,8,8,8] --set encoder.pos_groups=4
    --set tokens.0.codes=32 --set train.crop=1.2 --set train.batch=4
    --set train.accumulate=1 --set train.checkpoint=false --set train.lr=1e-3
    --set train.log_every=1 --progress never --steps 4 --data music"
# shellcheck disable=SC2086
run pretrain $BERT -o bert
expect_exit 0
# shellcheck disable=SC2086
ranks 2 pretrain $BERT -o bert2
expect_exit 0
expect_near bert bert2 4

# ---- what goes wrong ----
learn 3 r --steps 1
expect_not_zero() { [ "$rc" -ne 0 ] || fail "a failure expected"; }
expect_not_zero
expect_in_stderr "divided evenly among 3 processes"
[ "$(grep -c '^mfm: ' stderr)" -eq 1 ] || fail "one line of mfm expected"
rm -rf r
learn 2 two --steps 1
expect_not_zero
expect_in_stderr "--resume"
[ "$(grep -c '^mfm: ' stderr)" -eq 1 ] || fail "one line of mfm expected"

# a worker dies: the run ends, and one process goes on with it
learn 1 killed --steps 3
expect_exit 0
cmd="a worker that is killed"
timeout 120 mpirun -n 2 --oversubscribe --bind-to none "$MFM" pretrain \
    --resume --threads 1 --loaders 1 --progress never --steps 100000 \
    -o killed >stdout 2>stderr &
job=$!
until [ -f killed/checkpoints/step-000000009.safetensors ]; do
    kill -0 $job 2>/dev/null || fail "a run that goes on expected"
    sleep 0.1
done
victim=$(for d in /proc/[0-9]*; do
    tr '\0' ' ' <"$d/cmdline" 2>/dev/null |
        grep -q "^$MFM pretrain .*-o killed" && echo "${d#/proc/}"
done | tail -n 1)
[ -n "$victim" ] || fail "a worker in /proc expected"
kill -9 "$victim"
wait $job
rc=$?
expect_not_zero
expect_in_stderr "signal 9"
steps=$(values killed step | tail -n 1)
again 1 killed $((steps + 3))
expect_exit 0
exit 0
