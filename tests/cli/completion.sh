#!/bin/sh
# What bash and zsh complete of mfm.
. "$TOP_SRCDIR/tests/cli/lib.sh"
MFM_PRESETS=$TOP_SRCDIR/data/presets
export MFM_PRESETS
run help --completion bash
expect_exit 0
expect_no_stderr
cp stdout mfm.bash
run help --completion zsh
expect_exit 0
cp stdout _mfm
head -n 1 _mfm | grep -q '^#compdef mfm$' || fail "a completion of zsh expected"
# every command, and every long option of its -h
while read -r name; do
    grep -q "^    $name)\$" mfm.bash || fail "$name in bash expected"
    grep -q "^    $name)\$" _mfm || fail "$name in zsh expected"
    sed -n "/^    $name)\$/,/^        ;;\$/p" mfm.bash >bash.part
    sed -n "/^    $name)\$/,/^        ;;\$/p" _mfm >zsh.part
    "$MFM" "$name" -h | sed -n 's/^  .*--\([a-z-]*\).*/\1/p' >options
    while read -r option; do
        grep -q -e "--$option[= ]" bash.part || fail "--$option in bash expected"
        grep -q -e "--$option[]=[}]" zsh.part || fail "--$option in zsh expected"
    done <options
done <<LIST
$(sed -n 's/^CMD(\([a-z]*\),.*/\1/p' "$TOP_SRCDIR/src/cmd/commands.def")
LIST
expect_usage help --completion fish
expect_usage help --completion bash beats

need bash
cmd="bash -n"
bash -n mfm.bash || fail "a script of bash expected"
mkdir models 'a folder'
cp "$TOP_SRCDIR/data/models/default.safetensors" models/mine.safetensors
cp models/mine.safetensors 'models/$(touch hacked).safetensors'
touch song.mp3 'two words.mp3'
ln -s "$MFM" mfm
cat >complete.bash <<'EOF'
. ./mfm.bash
# "mfm", then the words; the last is what is being typed
COMP_WORDS=(./mfm "$@")
COMP_CWORD=$#
compopt() { :; }
_mfm
printf '%s\n' "${COMPREPLY[@]}"
EOF
# complete WANT WORD...: WANT is the lines that must be among the replies
complete() {
    want=$1
    shift
    cmd="completion of mfm $*"
    MFM_MODELS=models bash complete.bash "$@" >stdout 2>stderr
    rc=$?
    expect_exit 0
    expect_no_stderr
    for word in $want; do
        grep -qxF -e "$word" stdout || fail "'$word' expected"
    done
}
complete "beats" be
expect_lines 1
complete "--format= --force" annotate --fo
expect_lines 2
complete "json jams" annotate --format j
expect_lines 2
complete "json jams" annotate --format = j
complete "csv" annotate --format = ''
complete "fm1 fm9 tiny" pretrain --preset ''
complete "mine" chords -m m
complete "song.mp3" chords so
complete "" chords 'two'
grep -qxF 'two words.mp3' stdout || fail "'two words.mp3' expected"
complete "paper beats" eval ''
complete "models annotate" help ''
complete "" nosuch --x
complete "" beats --fps 2
[ ! -e hacked ] || fail "a name that is no command expected"

if command -v zsh >/dev/null 2>&1; then
    cmd="zsh -n"
    zsh -n _mfm || fail "a script of zsh expected"
else
    echo "note: no zsh"
fi
