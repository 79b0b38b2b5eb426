#!/bin/sh
# SPDX-License-Identifier: ISC
# make demo: renders the demo music and lets Fenby hear it twice: live, in JACK, while FluidSynth plays along,
# and as a file. Says what was heard and where the files lie. demo.sh SECONDS: only so much of it live.
#
# Where no JACK server is running there is one of the demo's own, with no sound card, until the demo ends.
set -eu
cd "$(dirname "$0")/.."
. tests/system/jack_server.sh
folder=$BUILD/demo
live=$folder/live
synth= fenby= player=
export JACK_NO_START_SERVER=1

# --- live -----------------------------------------------------------------------------------------------------

stop() {  # PID...: those that there are, in this order
    for pid; do
        kill "$pid" 2>/dev/null || continue
        wait "$pid" 2>/dev/null || true
    done
}

clean_up() {
    stop $player $fenby $synth
    stop_server
    rm -f "$live.pipe"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

find_server() {
    if jack_lsp >/dev/null 2>&1; then
        echo "JACK is running: listen to FluidSynth, which plays what Fenby hears."
        return
    fi
    export JACK_DEFAULT_SERVER=fenby-demo-$$
    start_server 44100 256 "$live.jackd.log" || { cat "$live.jackd.log" >&2; exit 1; }
    echo "No JACK server is running: the demo has one of its own, without a sound card."
}

# It ends with its input, and that with this script.
start_synth() {
    command -v fluidsynth >/dev/null || return 0
    mkfifo "$live.pipe"
    fluidsynth -q -a jack -m jack -o audio.jack.id=fenby-synth -o audio.jack.autoconnect=1 \
        -o midi.jack.id=fenby-synth-midi /usr/share/sounds/sf2/FluidR3_GM.sf2 <"$live.pipe" >/dev/null 2>&1 &
    synth=$!
    exec 4>"$live.pipe"
    wait_for 10 has_port fenby-synth-midi:midi_00 || echo "FluidSynth does not join JACK: going on without."
}

play_live() {  # [SECONDS]
    find_server
    start_synth
    exec 3<&0  # for the keys of the live view: what runs behind a script's back has no input of its own
    $tied "$BUILD/fenby-jack" --name fenby-demo --osc-port off --connect-out fenby-synth-midi \
        --record "$live.mid" <&3 4>&- &
    fenby=$!
    wait_for 10 has_port fenby-demo:midi_out || exit 1
    $tied "$BUILD/tests/system/jack_player" "$folder/demo.wav" fenby-demo:in fenby-demo:midi_out 1 "$@" \
        >"$live.played" 4>&- &
    player=$!
    while ! has_ended $player && ! has_ended $fenby; do sleep 0.2; done
    clean_up
}

# Where JACK left out sound, Fenby heard other music than was played.
say_xruns() {
    n=$(count_xruns "$live.played")
    [ "$n" -eq 0 ] || echo "Live: $n xruns: the machine was too busy for JACK."
}

# What came out of JACK, as a list of notes. Their onsets are put back by the latency that JACK was told.
list_live() {
    awk 'BEGIN { print "onset_s,offset_s,midi,velocity,emitted_s" }
        $1 == "rate" { rate = $2 }
        $1 == "latency" { latency = $2 }
        $1 == "midi" && $3 >= 144 { printf "%.4f,,%d,%d,%.4f\n", ($2 - latency) / rate, $4, $5, $2 / rate }' \
        "$live.played" >"$live.csv"
    awk -F, -v end="${1:-1000}" 'NR == 1 || $1 < end' "$folder/demo.csv" >"$live.reference.csv"
}

# --- as a file ------------------------------------------------------------------------------------------------

hear_file() {
    "$BUILD/fenby" "$folder/demo.wav" -o "$folder/transcription.mid" --csv "$folder/transcription.csv" \
        --plot "$folder/transcription.png"
    echo
    echo "The first notes heard in the file (of $(($(wc -l <"$folder/transcription.csv") - 1))):"
    awk -F, 'BEGIN { split("C C# D D# E F F# G G# A A# B", name, " ") }
        NR > 1 && NR <= 13 { printf "  %6.2f s  %-4s velocity %3d, written %3.0f ms after\n",
                             $1, name[$3 % 12 + 1] int($3 / 12) - 1, $4, 1000 * ($5 - $1) }' \
        "$folder/transcription.csv"
}

say_how_well() {  # HOW REFERENCE HEARD
    how=$1
    set -- $(awk -F, -f tests/music/compare.awk "$2" "$3")
    echo "$how: played were $2 notes, written down $3; F-measure $1 (key and onset within 50 ms)," \
        "each written $4 ms after its sound on average."
}

# --- the demo -------------------------------------------------------------------------------------------------

tests/music/render.sh "$BUILD/tests/music/compose" demo 0 "$folder"
rm -f "$live".*
if [ -x "$BUILD/fenby-jack" ]; then play_live "$@"; fi
hear_file
say_how_well "As a file" "$folder/demo.csv" "$folder/transcription.csv"
if [ -s "$live.played" ]; then
    list_live "$@"
    say_how_well "Live" "$live.reference.csv" "$live.csv"
    say_xruns
    echo
    echo "What it wrote live: $live.mid"
fi
echo "The music:          $folder/demo.wav"
echo "What Fenby heard:   $folder/transcription.mid"
echo "The picture of it:  $folder/transcription.png"
