#!/bin/sh
# SPDX-License-Identifier: ISC
# make demo: renders the demo music, transcribes it, says what was heard and where the files lie.
set -eu
cd "$(dirname "$0")/.."
folder=$BUILD/demo
tests/music/render.sh "$BUILD/tests/music/compose" demo 0 "$folder"
"$BUILD/fenby" "$folder/demo.wav" -o "$folder/transcription.mid" --csv "$folder/transcription.csv" \
    --plot "$folder/transcription.png"
echo
echo "The first notes heard (of $(($(wc -l <"$folder/transcription.csv") - 1))):"
awk -F, 'BEGIN { split("C C# D D# E F F# G G# A A# B", name, " ") }
    NR > 1 && NR <= 13 { printf "  %6.2f s  %-4s velocity %3d, written %3.0f ms after\n",
                         $1, name[$3 % 12 + 1] int($3 / 12) - 1, $4, 1000 * ($5 - $1) }' "$folder/transcription.csv"
set -- $(awk -F, -f tests/music/compare.awk "$folder/demo.csv" "$folder/transcription.csv")
echo "Played were $2 notes, written down $3; F-measure $1 (key and onset within 50 ms)."
echo
echo "The music:          $folder/demo.wav"
echo "What Fenby heard:   $folder/transcription.mid"
echo "The picture of it:  $folder/transcription.png"
