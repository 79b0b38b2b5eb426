#!/bin/sh
# SPDX-License-Identifier: ISC
# test_music.sh: renders the project's own tunes, transcribes them and asserts how much was heard.
set -u
here=$(dirname "$0") fenby=$BUILD/fenby folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
. "$here/checks.sh"

heard() {  # TUNE PROGRAM AT_LEAST
    "$here/music/render.sh" "$BUILD/tests/music/compose" "$1" "$2" "$folder" &&
        "$fenby" "$folder/$1.wav" --quiet -o "$folder/$1-heard.mid" --csv "$folder/$1-heard.csv" &&
        figures=$(awk -F, -f "$here/music/compare.awk" "$folder/$1.csv" "$folder/$1-heard.csv") || figures=0
    if echo "$figures" | awk -v least="$3" '{ exit !($1 >= least) }'; then
        good
    else
        bad "$1 on program $2"
    fi
    echo "$1 on program $2: F-measure, played, written: $figures (at least $3)"
}

heard demo 0 0.90
heard scale 0 0.90
heard strum 24 0.85
heard line 71 0.95
heard line 40 0.90
report
