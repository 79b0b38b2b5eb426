# SPDX-License-Identifier: ISC
# What the tests of fenby-jack share, to be sourced with the root of the tree as working folder: counting, a
# JACK server of the test's own on no sound card, fenby-jack, music to play. $BUILD is the build folder; with
# FENBY_JACK_KEEP=1 the folder with everything that was written is kept.
. tests/checks.sh
. tests/system/jack_server.sh
here=tests/system
fenby=$BUILD/fenby fenby_jack=$BUILD/fenby-jack player=$BUILD/tests/system/jack_player ports=$BUILD/tests/system/jack_ports
witness=$BUILD/tests/system/jack_witness.so recorder=$BUILD/tests/system/test_jack_recorder
folder=$(mktemp -d)
program=
export JACK_DEFAULT_SERVER=fenby-test-$$ JACK_NO_START_SERVER=1
export FENBY_PRESETS=$PWD/presets  # also for a build folder elsewhere
unset NSM_URL PIPEWIRE_RUNTIME_DIR
[ "${FENBY_JACK_SERVER:-}" != pipewire ] || use_pipewire "$folder"

# Under a sanitizer the allocator is already another one, and time is not what it was.
preload=$PWD/$witness
case $BUILD in /*) preload=$witness ;; esac
if grep -q '__[at]san_init' "$fenby_jack"; then preload=; fi
preloads() { [ -n "$preload" ] || { echo "left out under a sanitizer: $1"; false; }; }  # WHAT

# Fonts stay in memory until the end.
echo leak:libfontconfig >"$folder/suppressions"
export LSAN_OPTIONS="suppressions=$folder/suppressions print_suppressions=0"
# PipeWire's library leaves things lying when a client goes; what is ours shows with jackd.
[ "${FENBY_JACK_SERVER:-}" != pipewire ] || export ASAN_OPTIONS=detect_leaks=0

# --- counting -------------------------------------------------------------------------------------------------

# The "N passed, N failed" of a helper; without one it counts as a failure.
add() {  # FILE
    cat "$1"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
    [ -n "$line" ] || { bad "$1 says nothing"; return; }
    passed=$((passed + ${line%% passed*}))
    rest=${line##*passed, }
    failed=$((failed + ${rest%% failed*}))
}

# When JACK leaves out periods, for whomever, things get lost on the way: then a failure has two more tries.
too_busy() { grep -q XRun "$folder/jackd.log"; }
try() {  # TEST
    for n in 1 2 3; do
        passed_before=$passed failed_before=$failed
        "test_$1"
        [ "$failed" -gt "$failed_before" ] && [ $n -lt 3 ] && too_busy || return 0
        echo "$1: the machine was too busy, try $n"
        passed=$passed_before failed=$failed_before
        rm -rf "$folder"/*.mid "$folder"/one.n* "$folder"/two.n* "$folder/state"  # in the next try's way
    done
}

# --- processes ------------------------------------------------------------------------------------------------

begin_server() {  # RATE PERIOD [asynchronous|synchronous]
    start_server "$1" "$2" "$folder/jackd.log" "${3:-}" && return
    bad "no JACK server comes up"
    cat "$folder/jackd.log"
    exit 1
}

# A server that was killed stays in JACK's list of eight, until another of its name ends well.
sweep_up() { begin_server 48000 1024; stop_server; }

start_fenby() {  # OPTION...; $under: a command in front of it, $lines: for its lines instead of the file
    ${under:-} "$fenby_jack" --plain --no-start-server --osc-port off "$@" >"${lines:-$folder/lines}" 2>"$folder/errors" &
    program=$!
}

joined() {
    wait_for 5 has_port fenby:midi_out || bad "fenby-jack does not join JACK: $(cat "$folder/errors")"
    sleep 0.3
}

# Its status is left in $status.
end_fenby() {  # [SIGNAL]: without one it ends by itself
    [ -z "${1:-}" ] || kill -"$1" "$program"
    wait_for 10 has_ended "$program" || { bad "fenby-jack does not end"; kill -KILL "$program"; }
    wait "$program" 2>/dev/null
    status=$?
    program=
}

play() {  # WAV TAIL [freewheel]
    "$player" "$1" fenby:in fenby:midi_out "$2" ${3:+"$3"} >"$folder/played" 2>"$folder/player.log" ||
        { bad "the player failed"; cat "$folder/player.log"; }
}

clean_up() {
    [ -z "$program" ] || kill -KILL "$program" 2>/dev/null
    stop_server
    if [ -n "${FENBY_JACK_KEEP:-}" ]; then echo "kept: $folder"; else rm -rf "$folder"; fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# Every note-on that was reported has its note-off.
lines_balance() {
    awk '$1 == "on" {n[$3]++} $1 == "off" {n[$3]--} END {for (k in n) if (n[k]) exit 1}' "$folder/lines"
}
played_balance() {
    awk '$1 == "midi" && $3 < 160 {n[$4] += $3 >= 144 ? 1 : -1; if (n[$4] < 0) exit 1}
        END {for (k in n) if (n[k]) exit 1}' "$folder/played"
}
sounds() { awk '$1 == "on" {n++} $1 == "off" {n--} END {exit !(n > 0)}' "$folder/lines"; }
falls_silent() { ! sounds; }
some_lines() { [ "$(grep -c '^on ' "$folder/lines")" -ge "$1" ]; }
says() { grep -q "$1" "$2"; }
is_whole_midi() { "$recorder" "$1" | grep -Eq '^[1-9][0-9]* notes $'; }

refuses() {  # REASON OPTION...: one line that says REASON, and a status that is not 0
    reason=$1; shift
    "$fenby_jack" "$@" >/dev/null 2>"$folder/said" && return 1
    grep -v 'without real-time priority' "$folder/said" >"$folder/refused"  # which depends on the machine
    [ "$(wc -l <"$folder/refused")" -eq 1 ] && grep -q "$reason" "$folder/refused"
}

# --- music ----------------------------------------------------------------------------------------------------

make_music() {
    tests/music/render.sh "$BUILD/tests/music/compose" demo 0 "$folder" >/dev/null || exit 1
    for rate in 44100 48000 96000; do
        sox "$folder/demo.wav" -r $rate -c 1 -b 16 "$folder/$rate.wav" remix 1 trim 0.3 3.4 2>/dev/null ||
            exit 1
    done
}
