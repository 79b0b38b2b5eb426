#!/bin/sh
# SPDX-License-Identifier: ISC
# accuracy.sh FENBY EVAL SCORE: transcribes every recording in the folder EVAL and runs the scorer on the result.
# Words in FENBY_OPTIONS go to fenby, for instance "--preset Tight".
set -eu
fenby=$1 eval=$2 score=$3
if [ -z "$eval" ] || [ -z "$score" ]; then
    echo "usage: make accuracy EVAL=FOLDER SCORE=SCORE.py (NAME.flac with labels NAME.csv; the scorer takes the folder" \
         "of transcriptions and --ref FOLDER)" >&2
    exit 1
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for file in "$eval"/*.flac; do
    # shellcheck disable=SC2086  # options are words
    "$fenby" "$file" --quiet -o "$out/$(basename "$file" .flac).mid" --csv "$out/$(basename "$file" .flac).csv" ${FENBY_OPTIONS:-}
done
"${PYTHON:-/usr/bin/python3}" "$score" "$out" --ref "$eval"
