#!/bin/sh
# A folder of src/ includes only its own headers and those of the folders named
# in the table, which is the architecture of mfm: a change here is a decision.
set -u
cd "${TOP_SRCDIR:-.}" || exit 99
bad=0

allowed() {
    case $1 in
    base) ;;
    audio | tensor | annot) echo base ;;
    mel) echo base audio tensor ;;
    token) echo base mel tensor ;;
    model | dist) echo base tensor ;;
    head) echo base tensor model annot ;;
    decode | eval) echo base annot ;;
    write) echo base annot audio ;; # encode.h: the sound in a page is FLAC
    train) echo base audio mel tensor token model annot head decode eval dist ;;
    cmd | .) echo base audio mel tensor token model annot head decode write \
        eval train dist cmd ;;
    *) echo unknown ;;
    esac
}

for file in $(find src -name '*.[ch]' -o -name '*.def' -o -name '*.cu' \
    -o -name '*.cuh' | sort); do
    folder=$(expr "$file" : 'src/\([^/]*\)/') || folder=.
    may=$(allowed "$folder")
    if [ "$may" = unknown ]; then
        echo "$file: src/$folder is not in the table of this test"
        bad=1
        continue
    fi
    for inc in $(sed -n 's/^# *include "\([^"]*\)".*/\1/p' "$file"); do
        case $inc in
        config.h) to=$folder ;; # made by configure
        */*) to=${inc%%/*} ;;
        *) to="nothing (write \"folder/file.h\")" ;;
        esac
        case " $folder $may " in
        *" $to "*) ;;
        *)
            echo "$file: includes $inc, but src/$folder may use only: $may"
            bad=1
            ;;
        esac
    done
    sed -n 's/^# *include <\([^>]*\)>.*/\1/p' "$file" | while read -r inc; do
        case $inc in
        *dnnl*)
            case $file in
            src/tensor/cpu/*) ;;
            *) echo "$file: includes <$inc>; oneDNN is for src/tensor/cpu" ;;
            esac
            ;;
        libav* | libsw*)
            case $file in
            src/audio/decode.c | src/audio/encode.c | src/mel/fft.c) ;;
            *) echo "$file: includes <$inc>; FFmpeg is for src/audio/decode.c," \
                "src/audio/encode.c (FLAC of packed corpora) and src/mel/fft.c"
                ;;
            esac
            ;;
        esac
    done | grep . && bad=1
    if [ "$file" != src/tensor/backend.c ] &&
        grep -n HAVE_CUDA "$file" /dev/null; then
        echo "$file: HAVE_CUDA is for src/tensor/backend.c"
        bad=1
    fi
done
exit $bad
