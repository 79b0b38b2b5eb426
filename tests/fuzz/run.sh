#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh FOLDER MINUTES NAME...: runs the fuzzers FOLDER/tests/fuzz/fuzz_NAME one after the other, each for MINUTES,
# and says for each in one line what it did. Its inputs are kept in FOLDER/corpus/NAME and are the start of the
# next run; what broke something lies in FOLDER/findings/NAME. Fails when there is such a finding.
set -eu
folder=$1 minutes=$2
shift 2
here=$(dirname "$0")
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
mkdir -p "$folder/findings"

seed_weights() { cp "$here"/../golden/*.fnw "$seeds"; }
seed_preset() { cp "$here"/../../presets/*.ttl "$seeds"; }
seed_state() {
    printf 'fenby-jack state 1\npreset piano\nmodel /m\\n\\\\.fnw\nset mode tight\nlink midi_out synth:in\n' >"$seeds/state"
}
seed_audio_file() {
    for type in wav aiff au caf flac ogg mp3 w64 voc; do
        sox -n -r 8000 -c 2 "$seeds/tone.$type" synth 0.04 sine 440 2>/dev/null || rm -f "$seeds/tone.$type"
    done
}

status=0
for name; do
    corpus=$folder/corpus/$name log=$folder/findings/$name.log
    mkdir -p "$corpus" "$folder/findings/$name"
    rm -rf "${seeds:?}"/*
    command -v "seed_$name" >/dev/null && "seed_$name"
    "$folder/tests/fuzz/fuzz_$name" -max_total_time=$(awk "BEGIN { print int($minutes * 60) + 1 }") -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$folder/findings/$name/" "$corpus" "$seeds" \
        >"$log" 2>&1 || status=1
    awk -v name="$name" '
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
        /number_of_executed_units/ { runs = $2 }
        END { printf "%-14s %11d runs, %5d edges reached, ", name, runs, coverage }' "$log"
    echo "$(find "$folder/findings/$name" -type f | wc -l) findings"
    [ -z "$(find "$folder/findings/$name" -type f)" ] || status=1
done
exit $status
