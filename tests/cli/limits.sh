#!/bin/sh
# The limits of LIMITS in mfm(1): what is too large, or has no end, is refused
# with one line that says where, and takes neither time nor memory. The memory
# that mfm may have is set below what the files would need.
. "$TOP_SRCDIR/tests/cli/lib.sh"

# hole FILE SIZE [TEXT]: TEXT, then nothing up to SIZE, which takes no disk
hole() {
    printf "${3:-}" >"$1"
    truncate -s "$2" "$1" 2>/dev/null || skip "no files of $2 here"
}

# refused KIB TEXT ARG...: within so much memory (address space)
refused() {
    kib=$1 text=$2
    shift 2
    cmd="mfm $* (within $kib KiB)"
    # the sanitizers' shadow has no room in any limit
    (if ! grep -q __asan_init "$MFM"; then ulimit -v "$kib"; fi
        exec "$MFM" "$@") >stdout 2>stderr
    rc=$?
    expect_exit 1
    expect_no_stdout
    expect_one_line_stderr
    expect_in_stderr "$text"
}

truncate -s 1 small 2>/dev/null || skip "no truncate"
sound a.wav "sine=frequency=440:duration=1"

# labels: a hole, a hole that begins well, no end
hole large.beats 1T
refused 1500000 "large.beats: larger than 536870912 bytes; see LIMITS" \
    eval beats large.beats "$SAMPLE.beats"
hole large.json 600M '{"file":"a.wav","beats":[]}'
refused 1500000 "large.json: larger than 536870912 bytes; see LIMITS" \
    eval beats "$SAMPLE.beats" large.json
hole large.ndjson 200M '{"file":"a.wav","beats":[]}\n'
refused 1500000 "large.ndjson:2: a line of more than 100000000 bytes" \
    eval beats "$SAMPLE.beats" large.ndjson
refused 1500000 "/dev/zero: larger than 536870912 bytes; see LIMITS" \
    eval beats "$SAMPLE.beats" /dev/zero
yes '{"file":"a"}' 2>/dev/null | {
    refused 1500000 "stdin: larger than 536870912 bytes; see LIMITS" \
        eval beats "$SAMPLE.beats" -
} || exit 1

# JSON of a few bytes for each of its values
{ printf '{"beats":['
  yes '0,0,0,0,0,0,0,0' | head -n 600000 | tr '\n' ,
  printf '0]}'; } >many.json
refused 1500000 "many.json:1: JSON of more than 4194304 values" \
    eval beats "$SAMPLE.beats" many.json
{ printf '{"a":'
  yes '[' | head -n 100000 | tr -d '\n'; } >deep.json
refused 1500000 "deep.json:1: JSON that is nested 1000 deep" \
    eval beats "$SAMPLE.beats" deep.json

# lists
hole large.list 1T
refused 1500000 "large.list: larger than 1073741824 bytes; see LIMITS" \
    beats --files-from large.list
refused 4000000 "/dev/zero: larger than 1073741824 bytes; see LIMITS" \
    beats -0 --files-from /dev/zero
refused 1500000 "large.list: larger than 1073741824 bytes; see LIMITS" \
    tokenize --fit kmeans --files-from large.list -o x.safetensors

# arrays and models that say they are larger than they are
{ printf '\223NUMPY\001\000v\000'
  printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': \
(9999999999, 192), }"; } >large.npy
refused 2000000 "large.npy: an array of more than 17179869184 bytes" \
    beats large.npy
hole large.safetensors 600M '\377\377\377\377\377\377\377\377{'
refused 2000000 "large.safetensors: " beats -m ./large.safetensors a.wav
expect_no_file x.safetensors
