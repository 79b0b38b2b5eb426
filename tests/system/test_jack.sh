#!/bin/sh
# SPDX-License-Identifier: ISC
# test_jack.sh [TEST...]: fenby-jack with a real JACK server, one of the test's own on no sound card. Ends with
# "N passed, N failed". TESTs are the names of functions below, without test_; without any, all are done.
#
# FENBY_JACK_SOAK=SECONDS adds a soak: dense music at 64 frames a period for so long, with the other core busy,
# and checks of memory, late notes and the time that the process callback takes. FENBY_JACK_KEEP=1 keeps the
# folder with everything that was written.
set -u
cd "$(dirname "$0")/../.."
here=tests/system
fenby=$BUILD/fenby fenby_jack=$BUILD/fenby-jack player=$BUILD/tests/system/jack_player
witness=$BUILD/tests/system/jack_witness.so recorder=$BUILD/tests/system/test_jack_recorder
folder=$(mktemp -d)
passed=0 failed=0
server= program=
export JACK_DEFAULT_SERVER=fenby-test-$$ JACK_NO_START_SERVER=1
unset NSM_URL

# --- counting -------------------------------------------------------------------------------------------------

good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED: $*"; }
check() { what=$1; shift; if "$@"; then good; else bad "$what"; fi; }  # WHAT COMMAND...

# The "N passed, N failed" of a helper; without one it counts as a failure.
add() {  # FILE
    cat "$1"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
    [ -n "$line" ] || { bad "$1 says nothing"; return; }
    passed=$((passed + ${line%% passed*}))
    rest=${line##*passed, }
    failed=$((failed + ${rest%% failed*}))
}

# --- processes ------------------------------------------------------------------------------------------------

wait_for() {  # SECONDS COMMAND...: until the command is true
    tries=$((20 * $1)); shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }
has_port() { jack_lsp 2>/dev/null | grep -qx "$1"; }

start_server() {  # RATE PERIOD; with real-time priority where that is allowed
    for realtime in --realtime --no-realtime; do
        jackd --name "$JACK_DEFAULT_SERVER" $realtime -d dummy -r "$1" -p "$2" >"$folder/jackd.log" 2>&1 &
        server=$!
        if wait_for 5 jack_lsp; then return; fi
        kill "$server" 2>/dev/null
        wait "$server"
    done
    bad "no JACK server comes up"
    cat "$folder/jackd.log"
    exit 1
}

stop_server() {  # [SIGNAL]
    [ -n "$server" ] || return 0
    kill -"${1:-TERM}" "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

# A server that was killed stays in JACK's list of eight, until another of its name ends well.
sweep_up() { start_server 48000 1024; stop_server; }

start_fenby() {  # OPTION...
    "$fenby_jack" --plain --no-start-server --osc-port off "$@" >"$folder/lines" 2>"$folder/errors" &
    program=$!
}

joined() {
    wait_for 5 has_port fenby:midi_out || bad "fenby-jack does not join JACK"
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
    rm -f /dev/shm/jack_sem.*_"$JACK_DEFAULT_SERVER"_*
    if [ -n "${FENBY_JACK_KEEP:-}" ]; then echo "kept: $folder"; else rm -rf "$folder"; fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# Every note-on that was reported has its note-off.
lines_balance() {
    awk '$1 == "on" {n[$3]++} $1 == "off" {n[$3]--} END {for (k in n) if (n[k]) exit 1}' "$folder/lines"
}
some_lines() { [ "$(grep -c '^on ' "$folder/lines")" -ge "$1" ]; }
says() { grep -q "$1" "$2"; }
is_whole_midi() { "$recorder" "$1" | grep -Eq '^[1-9][0-9]* notes $'; }

# --- the tests ------------------------------------------------------------------------------------------------

make_music() {
    tests/music/render.sh "$BUILD/tests/music/compose" demo 0 "$folder" >/dev/null || exit 1
    for rate in 44100 48000 96000; do
        sox "$folder/demo.wav" -r $rate -c 1 -b 16 "$folder/$rate.wav" remix 1 trim 0.3 3.4 2>/dev/null ||
            exit 1
    done
}

# The same events as fenby, each at its frame. A machine that is too busy has three tries.
test_round_trip() {  # RATE PERIOD [freewheel]
    for try in 1 2 3; do
        start_server "$1" "$2"
        JACK_WITNESS=$folder/witness LD_PRELOAD=$preload start_fenby
        joined
        play "$folder/$1.wav" 0.5 ${3:-}
        end_fenby TERM
        stop_server
        python3 $here/jack_compare.py "$folder/$1.wav" "$folder/played" "$folder/lines" "$fenby" "$folder" \
            >"$folder/compared" 2>&1
        [ $? -eq 2 ] || break
        echo "$1 Hz, $2 frames: the machine was too busy, try $try"
    done
    add "$folder/compared"
    check "fenby-jack ended with $status" [ "$status" -eq 0 ]
}

test_round_trips() {
    test_round_trip 44100 256
    test_round_trip 96000 1024
    test_round_trip 48000 128 freewheel
    test_round_trip 48000 64
    test_witness
}

# The process callback of the last round trip, which ran at 64 frames and 48 kHz: a period is 1333 us.
test_witness() {
    [ -n "$preload" ] || return
    [ -s "$folder/witness" ] || { bad "the witness saw nothing"; return; }
    set -- $(cat "$folder/witness")
    check "the process callback called $3, $2 times" [ "$2" -eq 0 ]
    check "few periods: $5" [ "$5" -gt 1000 ]
    check "the median is $7 us, expected less than 13.3" awk "BEGIN {exit !($7 < 13.3)}"
    check "999 of 1000 take up to $9 us, expected less than 133" awk "BEGIN {exit !($9 < 133)}"
    echo "process callback: median $7 us, 99.9 % within $9 us, worst ${11} us, of $5 periods of 1333 us"
}

test_remote() {
    start_server 48000 256
    test_osc
    test_nsm
    test_kill_while_recording
    stop_server
}

test_osc() {
    port=$(python3 $here/jack_osc.py port)
    start_fenby --osc-port "$port" --state "$folder/state"
    joined
    python3 $here/jack_osc.py listen "$port" "$folder/broadcast" &
    listener=$!
    sleep 0.3
    play "$folder/48000.wav" 0.5
    python3 $here/jack_osc.py flood "$port" 1 >"$folder/flood.log" 2>&1
    add "$folder/flood.log"
    kill "$listener"
    awk '$1 == "on" || $1 == "off" {print $1, $3, $6, $10}' "$folder/lines" | cmp -s - "$folder/broadcast"
    check "OSC broadcast other notes than those that left" [ $? -eq 0 ]
    end_fenby INT
    check "ended with $status after the flood" [ "$status" -eq 0 ]
    rm -f "$folder/state"
    start_fenby --osc-port "$port" --state "$folder/state"
    joined
    python3 $here/jack_osc.py talk "$port" "$folder" >"$folder/talk.log" 2>&1
    add "$folder/talk.log"
    end_fenby
    check "/fenby/quit: ended with $status" [ "$status" -eq 0 ]
    check "the state does not hold what OSC set" says '^set release 50$' "$folder/state"
}

test_nsm() {
    python3 $here/jack_osc.py nsm "$fenby_jack" "$folder" >"$folder/nsm.log" 2>&1
    add "$folder/nsm.log"
}

# The server's end while notes sound, in order and by force.
test_server_goes() {  # SIGNAL
    start_server 48000 256
    start_fenby --record "$folder/gone.mid"
    joined
    play "$folder/48000.wav" 0 &
    playing=$!
    sleep 2
    stop_server "$1"
    end_fenby
    wait "$playing"
    check "server ended by $1: status $status" [ "$status" -eq 0 ]
    check "server ended by $1: no message" says 'the JACK server is gone' "$folder/errors"
    check "server ended by $1: no notes" some_lines 3
    check "server ended by $1: notes sound on" lines_balance
    check "server ended by $1: the recording is not whole" is_whole_midi "$folder/gone.mid"
}

test_server_ends() {
    test_server_goes TERM
    test_server_goes KILL
    sweep_up
}

# Waits for a server, loses it, waits again, and connects as before.
test_wait() {
    start_fenby --wait --connect-in player:out --connect-out recorder
    sleep 0.5
    check "it does not wait" says 'waiting for a JACK server' "$folder/lines"
    start_server 48000 256
    joined
    play "$folder/48000.wav" 0 &
    playing=$!
    sleep 1.5
    stop_server KILL
    wait "$playing"
    sleep 0.5
    before=$(grep -c '^on ' "$folder/lines")
    start_server 48000 128
    joined
    play "$folder/48000.wav" 0.5
    end_fenby TERM
    stop_server
    check "ended with $status" [ "$status" -eq 0 ]
    check "no notes with the first server" [ "$before" -ge 2 ]
    check "no notes with the second server" some_lines $((before + 10))
    check "notes sound on" lines_balance
}

played_balance() {
    awk '$1 == "midi" {n[$4] += $3 >= 144 ? 1 : -1; if (n[$4] < 0) exit 1}
        END {for (k in n) if (n[k]) exit 1}' "$folder/played"
}

# Another period while notes sound: they end, and it goes on.
test_buffer_size() {
    start_server 48000 64
    start_fenby
    joined
    play "$folder/48000.wav" 0.5 &
    playing=$!
    sleep 1.8
    jack_bufsize 512 >/dev/null 2>&1
    wait "$playing"
    frames=$(jack_lsp -l fenby:midi_out 2>/dev/null | sed -n 's/.*capture latency = \[ \([0-9]*\).*/\1/p')
    end_fenby TERM
    check "buffer size: ended with $status" [ "$status" -eq 0 ]
    check "buffer size: few notes" some_lines 10
    check "buffer size: notes sound on" lines_balance
    check "buffer size: notes sound on in JACK" played_balance
    ms=$(sed -n 's/.*512 frames a period; latency \([0-9.]*\) ms.*/\1/p' "$folder/lines")
    check "buffer size: JACK was told $frames frames, expected $ms ms" \
        awk "BEGIN {d = $frames / 48 - $ms; exit !(d < 0.1 && d > -0.1)}"
    stop_server
}

test_kill_while_recording() {
    start_fenby --record "$folder/killed.mid"
    joined
    play "$folder/48000.wav" 0 &
    playing=$!
    sleep 3
    end_fenby KILL
    kill "$playing" 2>/dev/null
    wait "$playing" 2>/dev/null
    "$recorder" "$folder/killed.mid" >"$folder/killed.log"
    check "killed while recording: the file is not well-formed: $(cat "$folder/killed.log")" [ $? -eq 0 ]
    n_notes=$(grep -c 'Note\|^on ' "$folder/lines")
    check "killed while recording: no notes were there" [ "$n_notes" -gt 3 ]
    check "killed while recording: the recording has none" [ "$(wc -c <"$folder/killed.mid")" -gt 150 ]
}

refuses() {  # WHAT OPTION...: one line that says WHAT, and a status that is not 0
    what=$1; shift
    "$fenby_jack" "$@" >/dev/null 2>"$folder/refused" && return 1
    [ "$(wc -l <"$folder/refused")" -eq 1 ] && grep -q "$what" "$folder/refused"
}

test_command_line() {
    check "no server" refuses 'no JACK server is running' --no-start-server
    check "unknown option" refuses 'no such option' --nothing
    check "missing value" refuses 'expected a value' --name
    check "argument" refuses 'expected options only' song.wav
    check "name" refuses "without ':'" --name a:b
    check "inputs" refuses '1 .. 8' --inputs 9
    check "midi" refuses 'expected jack' --midi usb
    check "no MIDI device" refuses "no MIDI device 'nowhere'" --midi portmidi:nowhere
    check "OSC port" refuses '1 .. 65535' --osc-port 70000
    check "OSC address" refuses 'numeric address' --osc-address example.org
    check "setting" refuses 'out of range' --set sensitivity=2
    check "parameter" refuses 'no parameter' --set nothing=2
    check "preset" refuses 'nothing' --preset nothing
    check "model" refuses '/dev/null: is no regular file' --model /dev/null --no-start-server
    echo nonsense >"$folder/nonsense"
    check "state" refuses 'nonsense:1: is no state' --state "$folder/nonsense"
    check "recording" refuses '/nowhere' --record /nowhere/at/all.mid --no-start-server
    check "--version" "$fenby_jack" --version -v >/dev/null
    check "--help" "$fenby_jack" --help >/dev/null
    "$fenby_jack" --list-devices >"$folder/devices"
    check "--list-devices ended with $?" [ -s "$folder/devices" ]
}

resident_kib() { awk '/^RssAnon/ {print $2}' "/proc/$program/status"; }

test_soak() {
    start_server 48000 64
    sox "$folder/demo.wav" -r 48000 -c 1 -b 16 "$folder/soak.wav" \
        remix 1 repeat $((FENBY_JACK_SOAK / 37 + 1)) trim 0 "$FENBY_JACK_SOAK"
    JACK_WITNESS=$folder/witness LD_PRELOAD=$preload start_fenby --record "$folder/soak.mid"
    joined
    play "$folder/soak.wav" 1 &
    playing=$!
    nice -n 19 sh -c 'while :; do :; done' &
    busy=$!
    sleep 20
    before=$(resident_kib)
    wait "$playing"
    after=$(resident_kib)
    kill "$busy"
    end_fenby TERM
    stop_server
    tail -n 1 "$folder/lines"
    echo "memory: $before KiB, then $after KiB"
    check "soak: memory grew" [ $((after - before)) -lt 512 ]
    check "soak: notes sound on" lines_balance
    check "soak: the recording is not whole" is_whole_midi "$folder/soak.mid"
    test_witness
}

# Under a sanitizer the allocator is already another one, and time is not what it was.
preload=$PWD/$witness
case $BUILD in /*) preload=$witness ;; esac
grep -q __asan_init "$fenby_jack" && preload=
grep -q __tsan_init "$fenby_jack" && preload=

make_music
[ $# -gt 0 ] || set -- command_line round_trips remote buffer_size server_ends wait ${FENBY_JACK_SOAK:+soak}
for test; do "test_$test"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
