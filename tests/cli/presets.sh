#!/bin/sh
# Each preset scaled down trains, is killed, and goes on as if nothing had been.
. "$TOP_SRCDIR/tests/cli/lib.sh"
MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS
for i in 1 2; do
    sound "music$i.wav" "aevalsrc=exprs='0.2*sin(2*PI*t*$((180 + 70 * i)))*\
lt(mod(t,0.5),0.3)+0.02*random($i)':d=31:s=24000"
done
mkdir music
mv music[12].wav music
run tokenize --fit kmeans --rate 75 --codes 20,10 --sample 2000 \
    -o tokens.safetensors music/music1.wav music/music2.wav
expect_exit 0

for name in fm1 fm2 fm3 fm4 fm5 fm6 fm7 fm8 fm9; do
    set -- --preset $name --set scale=tiny --set train.batch=1 --threads 1 \
        --set train.log_every=1 --set train.save_every=1 --data music \
        --progress never
    [ $name = fm1 ] && set -- "$@" --tokens tokens.safetensors
    run pretrain "$@" --steps 3 -o whole
    expect_exit 0
    cmd="mfm pretrain $* --steps 3 -o cut, killed"
    "$MFM" pretrain "$@" --steps 3 -o cut >stdout 2>stderr &
    job=$!
    until [ -f cut/checkpoints/step-000000001.safetensors ]; do
        kill -0 $job 2>/dev/null || break
        sleep 0.02
    done
    kill -9 $job 2>/dev/null
    wait $job 2>/dev/null
    run pretrain --resume --threads 1 --progress never -o cut
    expect_exit 0
    lines whole >want
    lines cut >got
    expect_same want got
    expect_lines 3 got
    expect_same whole/model.safetensors cut/model.safetensors
    rm -r whole cut
done
exit 0
