#!/bin/sh
# --precision bf16 labels the shipped sample nearly as f32 does.
. "$TOP_SRCDIR/tests/cli/lib.sh"

# a processor that lacks it, which oneDNN can be told to be: one line, no result
cmd="DNNL_MAX_CPU_ISA=AVX2 mfm beats --precision bf16"
DNNL_MAX_CPU_ISA=AVX2 "$MFM" beats --precision bf16 "$SAMPLE.opus" >stdout \
    2>stderr
rc=$?
expect_exit 1
expect_no_stdout
expect_one_line_stderr
expect_in_stderr "--precision bf16: this processor does not have it"
expect_usage annotate --precision bf17 "$SAMPLE.opus"

run annotate --precision bf16 --format text --out-dir half "$SAMPLE.opus"
if [ "$rc" -eq 1 ] && grep -qF "processor does not have it" stderr; then
    skip "no bf16 in this processor"
fi
expect_exit 0
expect_no_stderr
run annotate --precision f32 --format text --out-dir full "$SAMPLE.opus"
expect_exit 0

# as many beats, each within 20 ms and with the same place in the bar
paste full/rock50s.beats half/rock50s.beats | awk '
    { off = $1 - $3 }
    NF != 4 || $2 != $4 || off > 0.0201 || off < -0.0201 { bad++ }
    END { printf "beats: %d of %d differ\n", bad, NR; exit !(NR && !bad) }' ||
    fail "the same beats expected"

# the share of time, in frames of 10 ms, with the same label
overlap() {
    awk -F'\t' '
        {
            for (t = int($1 * 100 + 0.5); t < int($2 * 100 + 0.5); t++)
                if (NR == FNR) { want[t] = $3; all++ }
                else same += want[t] == $3
        }
        END {
            printf "%s: overlap %.3f\n", FILENAME, all ? same / all : 0
            exit !(all && same / all >= 0.95)
        }' "full/$1" "half/$1" || fail "$1: overlap of 0.95 expected"
}
overlap rock50s.chords.lab
overlap rock50s.structure.lab
expect_same full/rock50s.key half/rock50s.key

# the arithmetic is another one
for precision in f32 bf16; do
    run embed --precision $precision --pool mean -o $precision.npy \
        "$SAMPLE.opus"
    expect_exit 0
done
cmp -s f32.npy bf16.npy && fail "other hidden states in bf16 expected"
exit 0
