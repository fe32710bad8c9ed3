#!/bin/sh
# Whole commands on the emulated CUDA device (tests/emu) against the CPU: states
# of a trained model over windows that overlap, training, two devices. The
# emulation is a thousand times as slow as a GPU, so all is small.
. "$TOP_SRCDIR/tests/cli/lib.sh"
MFM_PRESETS=$TOP_SRCDIR/data/presets
EMU_DEVICES=2
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export MFM_PRESETS EMU_DEVICES OMPI_ALLOW_RUN_AS_ROOT \
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
[ -e "${MFM_CUDA_MODULE:-}" ] || skip "the emulated module was not built"

# near MOST A B: two files of numbers, largest difference over the largest
# number at most MOST
near() {
    paste "$2" "$3" | awk -v most="$1" '
        { d = $1 - $2; if (d < 0) d = -d; if (d > off) off = d
          v = $1 < 0 ? -$1 : $1; if (v > top) top = v; n++ }
        END { if (!n || !(off <= most * top)) { print off / top; exit 1 } }' \
        >off || fail "$2 and $3 differ by $(cat off), over $1"
}
# numbers FILE.npy: one a line
numbers() { tail -c +129 "$1" | od -An -v -w4 -tf4 | tr -d ' '; }

TINY="--threads 1 --loaders 1 --set mel.bands=16
    --set encoder.dim=16 --set encoder.layers=2 --set encoder.ffn=32
    --set encoder.conv_dim=8 --set encoder.kernel=5 --set tokens.0.codes=32
    --set tokens.0.dim=4 --set train.crop=1.2 --set train.batch=4
    --set train.accumulate=1 --set train.warmup=2 --set train.log_every=1
    --set train.valid_every=0 --set train.dropout=0.1
    --set train.layer_drop=0.2 --progress never"
music a.wav

# learn DEVICE RUN [OPTION...]
learn() {
    device=$1 out=$2
    shift 2
    # shellcheck disable=SC2086 # words
    run pretrain --preset tiny $TINY --device "$device" --data a.wav "$@" \
        -o "$out"
    expect_exit 0
    values "$out" loss >"$out.loss"
}

# ---- training: the same losses, with dropout and layer drop ----
learn cpu host --steps 6 --set train.precision=f32
learn cuda dev --steps 6 --set train.precision=f32
near 1e-4 host.loss dev.loss
learn cuda again --steps 3 --set train.precision=f32
run pretrain --resume --steps 6 --progress never --device cuda -o again
expect_exit 0
values again loss >again.loss
expect_same dev.loss again.loss # to the last digit
learn cuda bf16 --steps 6 --set train.precision=bf16
near 1e-2 host.loss bf16.loss

# ---- fp16: a scale of the loss that is too large at first; a run that is cut
# off amid goes on with the one that it had found ----
learn cuda fp16 --steps 2 --set train.precision=fp16
head -n 2 host.loss >want
near 1e-3 want fp16.loss
values fp16 loss_scale >got
printf '65536\n65536\n' >want
expect_same want got
learn cuda large --steps 6 --precision fp16 --set train.loss_scale=16777216
[ "$(values large grad_norm | head -n 1)" = null ] || fail "an overflow expected"
[ "$(values large grad_norm | tail -n 1)" != null ] || fail "a scale expected"
[ "$(values large loss_scale | sed -n 2p)" = 8388608 ] || fail "half expected"
learn cuda cut --steps 2 --precision fp16 --set train.loss_scale=16777216
run pretrain --resume --steps 6 --progress never --device cuda -o cut
expect_exit 0
lines large >want
lines cut >got
expect_same want got

# ---- states: six windows, some side by side; mel made on the device ----
for device in cpu cuda:1; do
    run embed -m ./host/model.safetensors --device $device --precision f32 \
        --window 1 --hop 0.5 --layer all -o "${device%:1}.npy" a.wav
    expect_exit 0
    numbers "${device%:1}.npy" >"${device%:1}.txt"
done
near 1e-3 cpu.txt cuda.txt # spectra of f32, far below the peak, differ
run embed -m ./host/model.safetensors --device cuda --precision bf16 \
    --window 1 --hop 0.5 --layer all -o bf16.npy a.wav
expect_exit 0
numbers bf16.npy >bf16.txt
near 5e-2 cpu.txt bf16.txt

# ---- -j: a device for each ----
cp a.wav b.wav
for jobs in 1 2; do
    run embed -m ./host/model.safetensors --device cuda -v -j $jobs \
        --pool mean --format ndjson --progress never a.wav b.wav
    expect_exit 0
    expect_lines 2
    [ "$(grep -c 'computing on cuda' stderr)" -eq $jobs ] ||
        fail "$jobs devices expected"
    cp stdout jobs$jobs
done
expect_same jobs1 jobs2

# ---- a device with little memory: fewer windows at a time, or one line ----
EMU_MEMORY=1000
export EMU_MEMORY
run embed -m ./host/model.safetensors --device cuda -o none.npy a.wav
expect_exit 1
expect_one_line_stderr
expect_in_stderr "device"
expect_no_file none.npy
unset EMU_MEMORY

# ---- two devices ----
command -v mpirun >/dev/null 2>&1 &&
    "$MFM" --version | grep -q 'MPI yes' || exit 0
# shellcheck disable=SC2086
timeout 120 mpirun -n 2 --oversubscribe --bind-to none "$MFM" pretrain \
    --preset tiny $TINY --device cuda --data a.wav --steps 6 \
    --set train.precision=f32 -o two >stdout 2>stderr
rc=$?
cmd="mpirun -n 2 mfm pretrain --device cuda"
expect_exit 0
values two loss >two.loss
near 1e-4 host.loss two.loss
exit 0
