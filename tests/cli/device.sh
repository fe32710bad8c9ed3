#!/bin/sh
# --device, --precision and -j with the CUDA module of tests/emu: which device
# computes, what is said where one cannot, and what auto does then.
. "$TOP_SRCDIR/tests/cli/lib.sh"

MODULE=${TOP_BUILDDIR:?}/tests/emu/mfm-cuda.so
[ -f "$MODULE" ] || skip "no tests/emu/mfm-cuda.so: it needs a C++ compiler"
MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS
unset OMPI_COMM_WORLD_LOCAL_RANK MPI_LOCALRANKID SLURM_LOCALID
# where a GPU is, auto warns of what this test takes away
for GPU in /dev/nvidia0 /proc/driver/nvidia/gpus /dev/dxg ''; do
    [ -e "$GPU" ] && break
done

sound a.wav "sine=frequency=440:duration=1"
cp a.wav b.wav
cp a.wav c.wav

# on "VAR=VALUE..." COMMAND ARG...: mfm, with one device unless they say otherwise
on() {
    cmd="$1 mfm"
    vars=$1
    shift
    cmd="$cmd $*"
    # shellcheck disable=SC2086 # words
    env MFM_CUDA_MODULE="$MODULE" EMU_DEVICES=1 $vars "$MFM" "$@" >stdout \
        2>stderr
    rc=$?
}

# mel "VAR=VALUE..." OPTION...: opens the device and computes nothing with it
mel() {
    vars=$1
    shift
    on "$vars" embed --layer mel --pool mean --format ndjson a.wav "$@"
}

# says "VAR=VALUE..." TEXT OPTION...: it works, and -v says just this
says() {
    vars=$1 text=$2
    shift 2
    mel "$vars" -v "$@"
    expect_exit 0
    expect_json
    expect_one_line_stderr
    grep -qE "^mfm: computing on $text\$" stderr || fail "'$text' expected"
}

# fails "VAR=VALUE..." TEXT OPTION...: one line with the text and a remedy
fails() {
    vars=$1 text=$2
    shift 2
    mel "$vars" "$@"
    expect_exit 1
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr "$text"
}

CPU='CPU .*[0-9]+ threads?, [0-9.]+ GiB, in'
EMULATED='emulated device [0-9], sm_[0-9]+, 8[.]0 GiB, in'

# ---- names ----
for name in '' gpu CUDA cuda: cuda:x cuda:-1 cuda:0x cpu:0; do
    expect_usage embed --device "$name" a.wav
    expect_in_stderr "'$name' is not one of auto, cpu, cuda and cuda:N"
done
expect_usage embed --precision fp8 a.wav
expect_in_stderr "auto|f32|tf32|bf16|fp16"
expect_usage pretrain --preset tiny --data . -o run --device gpu
expect_usage probe key --data . -o m.safetensors --device gpu

# ---- devices that can be used ----
says "EMU_DEVICES=2" "cuda:0 $EMULATED bf16"
says "EMU_DEVICES=2" "cuda:0 $EMULATED bf16" --device cuda
says "EMU_DEVICES=2" "cuda:1 $EMULATED bf16" --device cuda:1
says "EMU_DEVICES=2" "$CPU f32" --device cpu
says "EMU_ARCH=75" "cuda:0 $EMULATED fp16"
says "" "cuda:0 $EMULATED tf32" --precision tf32
says "" "cuda:0 $EMULATED f32" --precision f32
mel "" --device cuda
expect_exit 0
expect_no_stderr

# processes of one machine, each on one of its devices
says "EMU_DEVICES=2 OMPI_COMM_WORLD_LOCAL_RANK=3" "cuda:1 $EMULATED bf16"
says "EMU_DEVICES=3 SLURM_LOCALID=2" "cuda:2 $EMULATED bf16" --device cuda
says "EMU_DEVICES=3 SLURM_LOCALID=2" "cuda:0 $EMULATED bf16" --device cuda:0

# ---- and those that cannot ----
fails "EMU_DEVICES=2" "there is no device cuda:2: 2 are there" --device cuda:2
fails "EMU_DEVICES=0" "there is no CUDA device" --device cuda
expect_in_stderr "--device cpu"
fails "EMU_ARCH=60" "is of sm_60: mfm needs sm_75" --device cuda
expect_in_stderr "--device cpu"
fails "EMU_DRIVER=12040" "the NVIDIA driver is for CUDA 12.4" --device cuda
expect_in_stderr "update the driver"
fails "EMU_DRIVER=0" "there is no NVIDIA driver" --device cuda
fails "EMU_ARCH=75" "--precision bf16: this GPU (sm_75)" --precision bf16
fails "EMU_ARCH=75" "--precision tf32: this GPU (sm_75)" --precision tf32
for precision in tf32 fp16; do
    expect_usage embed --device cpu --precision $precision a.wav
    expect_in_stderr "--precision $precision: it is for CUDA; the CPU computes"
done
echo "this is no library" >text.so
head -c 20000 "$MODULE" >half.so
fails "MFM_CUDA_MODULE=/nonexistent" "MFM_CUDA_MODULE: /nonexistent: No such" \
    --device cuda
fails "MFM_CUDA_MODULE=text.so" "text.so is not mfm's CUDA module" --device cuda
expect_in_stderr "--device cpu"
fails "MFM_CUDA_MODULE=half.so" "or is cut off" --device cuda
expect_in_stderr "--device cpu"

# ---- before work: nothing is left behind but an empty folder ----
on "EMU_DEVICES=0" pretrain --preset tiny --data a.wav --steps 1 \
    --device cuda -o run
expect_exit 1
expect_one_line_stderr
expect_in_stderr "there is no CUDA device"
[ -z "$(ls run)" ] || fail "an empty folder expected"
on "" pretrain --preset tiny --data a.wav --steps 1 --device cpu \
    --precision fp16 -o run2
expect_exit 2
expect_one_line_stderr
expect_in_stderr "--precision fp16: it is for CUDA"
expect_no_file run2
mkdir songs
cp a.wav songs
echo "C major" >songs/a.key
on "EMU_DEVICES=0" probe key --data songs -o m.safetensors --device cuda
expect_exit 1
expect_one_line_stderr
expect_in_stderr "there is no CUDA device"
expect_no_file m.safetensors

# ---- auto falls back: one warning where a device is there, else none ----
mel "EMU_ARCH=60"
expect_exit 0
expect_json
expect_one_line_stderr
expect_in_stderr "mfm: warning: cuda:0, emulated device 0, is of sm_60"
expect_in_stderr "; computing on the CPU"
mel "EMU_ARCH=60" -q
expect_exit 0
expect_no_stderr
mel "EMU_ARCH=60" --device cpu
expect_no_stderr
if [ -z "$GPU" ]; then
    for vars in EMU_DEVICES=0 EMU_DRIVER=0 MFM_CUDA_MODULE=/nonexistent \
        MFM_CUDA_MODULE=text.so; do
        mel "$vars"
        expect_exit 0
        expect_json
        expect_no_stderr
        says "$vars" "$CPU f32"
        mel "$vars" -vv # why
        expect_in_stderr "; computing on the CPU"
    done
fi

# ---- -j: the devices in turn; a worker less where one cannot begin ----
on "EMU_DEVICES=2" embed --layer mel --pool mean --format ndjson -v -j 3 \
    a.wav b.wav c.wav
expect_exit 0
expect_lines 3
sed -n 's/^mfm: computing on \(cuda:[0-9]\) .*/\1/p' stderr | sort >got
printf 'cuda:%d\n' 0 0 1 >want
expect_same want got
sed -n 's/^{"file":"\([^"]*\)".*/\1/p' stdout >got
printf '%s\n' a.wav b.wav c.wav >want
expect_same want got

# ---- --version: what the file says, which is not loaded ----
on "" --version
expect_exit 0
expect_no_stderr
expect_in_stdout "CUDA 13.0 emulated"
expect_in_stdout "CUDA module: $MODULE"
cmd="LD_DEBUG=files mfm --version"
LD_DEBUG=files MFM_CUDA_MODULE="$MODULE" "$MFM" --version >stdout 2>stderr
grep -q "file=.*mfm-cuda.so" stderr && fail "a module that is not loaded expected"
on "MFM_CUDA_MODULE=/nonexistent" --version
expect_exit 0
expect_in_stdout "CUDA no"
expect_lines 3
on "MFM_CUDA_MODULE=text.so" --version
expect_exit 0
expect_in_stdout "CUDA no"
expect_in_stdout "CUDA module: ./text.so is not mfm's"
exit 0
