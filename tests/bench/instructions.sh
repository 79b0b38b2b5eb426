#!/bin/sh
# SPDX-License-Identifier: ISC
# instructions.sh HOPS: how many instructions a hop of the whole chain takes, and where: what 60 hops take more than 20
# by valgrind's callgrind (which knows AVX2, not AVX-512). HOPS is the program of hops.c.
set -eu
command -v valgrind >/dev/null || {
    echo "instructions: not counted, there is no valgrind here (Debian: apt install valgrind)"
    exit 0
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count() { valgrind --tool=callgrind --callgrind-out-file="$work/$1" "$program" "$1" >/dev/null 2>"$work/log" || {
    cat "$work/log"; exit 1; }; callgrind_annotate --auto=no --threshold=100 --show-percs=no "$work/$1" >"$work/$1.txt"; }
program=$1
count 20
count 60
awk -v few="$work/20.txt" '
    function number(text) { gsub(",", "", text); return text + 0 }
    function where(text) { sub(/ \[.*/, "", text); sub(/.*:/, "", text); return text }
    $1 ~ /^[0-9,]+$/ {
        name = /PROGRAM TOTALS/ ? "" : where(substr($0, index($0, $2)))
        taken[name] += (FILENAME == few ? -1 : 1) * number($1)
    }
    END {
        hop = taken[""] / 40
        printf "instructions for each hop (AVX2): %.2f million, %.0f million a second of music\n", hop / 1e6, hop * 22050 / 256 / 1e6
        delete taken[""]
        for (name in taken) printf "%5.1f %%  %s\n", taken[name] / 40 / hop * 100, name | "sort -rn | head -n 8"
    }' "$work/20.txt" "$work/60.txt"
