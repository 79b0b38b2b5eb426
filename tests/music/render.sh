#!/bin/sh
# SPDX-License-Identifier: ISC
# render.sh COMPOSE TUNE PROGRAM FOLDER: FOLDER/TUNE.mid, TUNE.csv and TUNE.wav, played by FluidSynth on the General
# MIDI program (0 piano, 24 guitar, 71 clarinet, ...).
set -eu
compose=$1 tune=$2 program=$3 folder=$4
font=/usr/share/sounds/sf2/FluidR3_GM.sf2
[ -r "$font" ] || { echo "render: no sound font at $font: install fluid-soundfont-gm" >&2; exit 1; }
mkdir -p "$folder"
"$compose" "$tune" "$folder/$tune.mid" "$folder/$tune.csv"
echo "prog 0 $program" >"$folder/$tune.cfg"
fluidsynth -n -i -q -f "$folder/$tune.cfg" -r 44100 -g 0.8 -F "$folder/$tune.wav" "$font" "$folder/$tune.mid" \
    >/dev/null 2>&1 </dev/null
rm "$folder/$tune.cfg"
[ -s "$folder/$tune.wav" ] || { echo "render: fluidsynth wrote no $tune.wav" >&2; exit 1; }
