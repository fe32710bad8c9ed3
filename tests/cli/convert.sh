#!/bin/sh
# mfm convert: a checkpoint to a model file and back, exit codes, messages,
# nothing half-written.
. "$TOP_SRCDIR/tests/cli/lib.sh"

make=$TOP_BUILDDIR/tests/tools/make_musicfm
small="--dim 32 --layers 2 --heads 2 --ffn 48 --kernel 7 --conv-dim 4 --codes 32"
# shellcheck disable=SC2086
"$make" $small a.pt >/dev/null || exit 99
# shellcheck disable=SC2086
"$make" $small --plain --stack 2 b.pt >/dev/null || exit 99
echo '{"melspec_2048_mean": 6.75, "melspec_2048_std": 18.5}' >stats.json
echo '{"hop": 160, "name": "seventy-five", "window": 12.5}' >config.json
echo '{"name": "a"}' >name.json
echo '{"dim": 64}' >wrong.json

# expect_in FILE TEXT
expect_in() {
    grep -qF -e "$2" "$1" || fail "$1 with '$2' expected"
}

# there and back: the same bytes, because both writers are ours
run convert a.pt --stats stats.json
expect_exit 0
expect_no_stdout
expect_no_stderr
expect_in a.safetensors '"name\":\"a\"'
expect_in a.safetensors '"mean\":6.75,\"std\":18.5'
run convert a.safetensors --to-pt -o back.pt
expect_exit 0
run convert back.pt
expect_exit 0
expect_no_stderr
expect_same a.safetensors back.safetensors
# heads and all
run convert "$MFM_MODELS/default.safetensors" --to-pt -o d.pt
expect_exit 0
run convert d.pt
expect_exit 0
expect_no_stderr
run key -m ./d.safetensors "$SAMPLE.opus"
expect_exit 0
expect_stdout "G major"
rm d.safetensors
if python3 -c 'import torch' 2>/dev/null; then
    python3 -c 'import torch
torch.load("d.pt", weights_only=True)["state_dict"]' ||
        fail "a file that torch loads expected"
fi

# what exists is not overwritten
run convert a.pt --stats stats.json
expect_exit 1
expect_in_stderr "a.safetensors: exists"
run convert a.pt --stats stats.json --force
expect_exit 0
expect_same a.safetensors back.safetensors
rm a.safetensors

# what fails says why in one line and leaves nothing
head -c 3000 a.pt >cut.pt
while read -r word call; do
    # shellcheck disable=SC2086
    run convert $call
    expect_exit 1
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr "$word"
done <<END
--stats a.pt
missing.json a.pt --stats missing.json
missing.pt missing.pt --stats stats.json
damaged cut.pt --stats stats.json
PyTorch stats.json
folder a.pt --stats stats.json -o no/such/folder/x
dim a.pt --stats stats.json --config wrong.json
END
set -- *.safetensors*
[ "$*" = back.safetensors ] || fail "left behind: $*"

# rate, name, precision, stdout
run convert b.pt --stats stats.json --config config.json --precision bf16 -o -
expect_exit 0
expect_no_stderr
cp stdout b.safetensors
for field in 'name\":\"seventy-five\"' 'hop\":160' 'rate\":75' 'window\":12.5'
do
    expect_in b.safetensors "\"$field"
done
expect_in b.safetensors '"dtype":"BF16"'
run convert b.safetensors --precision f32 -o c.safetensors -v
expect_exit 0
expect_in_stderr "c.safetensors: written"
grep -q '"dtype":"BF16"' c.safetensors && fail "no BF16 expected"

# MERT: config.json from beside the checkpoint or from --config, both names of
# the weight norm, and back
golden=${MFM_SHARED:-$TOP_SRCDIR/../shared}/fixtures/golden
for norm in pre post; do
    from=$golden/bert_${norm}norm
    [ -d "$from" ] || continue
    run convert "$from/pytorch_model.bin" -o "$norm.safetensors"
    expect_exit 0
    expect_no_stdout
    expect_no_stderr
    expect_in "$norm.safetensors" "\"norm\\\":\\\"$norm"
    mkdir mert
    cp "$from/pytorch_model_parametrized.bin" mert/p.bin
    run convert mert/p.bin
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "config.json"
    run convert mert/p.bin --config "$from/config.json" -o p.safetensors
    expect_exit 0
    expect_in p.safetensors "parametrizations.weight.original0"
    # its own names come back: what is converted again is the same file
    run convert p.safetensors --to-pt -o mert/back.pt
    expect_exit 0
    expect_in mert/back.pt "parametrizations.weight.original0"
    mv mert/back.pt mert/p.pt
    cp "$from/config.json" mert
    run convert mert/p.pt
    expect_exit 0
    expect_same p.safetensors mert/p.safetensors
    # both names are the same model
    for model in "$norm" p; do
        run embed -m "$model.safetensors" --layer all "$from/in0.wav" \
            -o "$model.npy"
        expect_exit 0
        run embed -m "$model.safetensors" --layer last --rate 75 \
            --format ndjson "$from/in0.wav"
        expect_exit 0
        expect_in_stdout '"shape":[224,64]'
        run embed -m "$model.safetensors" --layer 1 --pool mean \
            --format ndjson "$from/in0.wav"
        expect_exit 0
        expect_in_stdout '"shape":[64]'
        expect_in_stdout "\"name\":\"$model\""
    done
    expect_same "$norm.npy" p.npy
    sed 's/"deepnorm": false/"deepnorm": true/' "$from/config.json" >deep.json
    run convert mert/p.bin --config deep.json -o deep.safetensors
    expect_exit 1
    expect_one_line_stderr
    expect_in_stderr "deepnorm: true"
    [ ! -e deep.safetensors ] || fail "left behind: deep.safetensors"
    rm -rf mert ./*.npy* p.safetensors
done

expect_usage convert
expect_usage convert a.pt b.pt
expect_usage convert -
expect_usage convert a.pt --precision f16
expect_usage convert a.pt --stats
expect_usage convert --bogus a.pt
exit 0
