#!/bin/sh
# The shipped model on the shipped sample, against the labels of its rendering.
. "$TOP_SRCDIR/tests/cli/lib.sh"

run annotate --format text --out-dir out "$SAMPLE.opus"
expect_exit 0

# F-measure of the beats at 70 ms, in order of time
awk 'NR == FNR { est[++n] = $1; next }
    { ref[++m] = $1 }
    END {
        for (i = j = 1; i <= m && j <= n; )
            if (est[j] < ref[i] - 0.07) j++
            else if (est[j] > ref[i] + 0.07) i++
            else { hits++; i++; j++ }
        f = m + n ? 2 * hits / (m + n) : 0
        printf "beats: F %.3f\n", f
        exit !(f >= 0.9)
    }' out/rock50s.beats "$SAMPLE.beats" || fail "beats: F of 0.9 expected"

# the share of time, in frames of 10 ms, with the same major or minor chord;
# qualities that are neither do not count
awk -F'\t' '
    # root and third of a label: "9 min", "N", or "X"
    function chord(label,    part, pitch) {
        if (label == "N") return "N"
        split(label, part, /[:\/]/)
        pitch = index("C D EF G A B", substr(part[1], 1, 1)) + 11
        pitch += gsub(/#/, "", part[1]) - gsub(/b/, "", part[1])
        if (part[2] ~ /^min/) return pitch % 12 " min"
        if (part[2] == "" || part[2] ~ /^(maj|6|7|9|11|13)/)
            return pitch % 12 " maj"
        return "X"
    }
    {
        for (t = int($1 * 100 + 0.5); t < int($2 * 100 + 0.5); t++)
            if (NR == FNR) est[t] = chord($3)
            else if ((want = chord($3)) != "X") {
                all++
                same += est[t] == want
            }
    }
    END {
        printf "chords: overlap %.3f\n", all ? same / all : 0
        exit !(all && same / all >= 0.8)
    }' out/rock50s.chords.lab "$SAMPLE.lab" ||
    fail "chords: overlap of 0.8 expected"

[ "$(cat "$SAMPLE.key") $(cat out/rock50s.key)" = "G:maj G major" ] ||
    fail "G major expected"
# parts from the beginning to the end, each with a function
awk -F'\t' '($1 + 0 != end + 0) || $2 <= $1 { exit bad = 1 }
    $3 !~ /^(intro|verse|chorus|bridge|inst|outro|silence)$/ { exit bad = 1 }
    { end = $2 }
    END { exit bad || end < 69 }' out/rock50s.structure.lab ||
    fail "parts of the whole song expected"
