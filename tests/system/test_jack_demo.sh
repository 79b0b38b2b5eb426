#!/bin/sh
# SPDX-License-Identifier: ISC
# test_jack_demo.sh: the demo, as a newcomer sees it: with and without a JACK server, in a terminal, and broken
# off. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.."
. tests/system/jack_lib.sh
own=$JACK_DEFAULT_SERVER
demo=

is_connected() { JACK_DEFAULT_SERVER=$1 jack_lsp -c fenby-demo:midi_out | grep -q fenby-synth-midi; }  # SERVER
# JACK keeps a list of servers in jack-shm-registry, in which dead ones may stay.
nothing_remains() {
    ! grep -q "fenby-demo-$demo" /dev/shm/jack-shm-registry &&
        ! cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -q 'nam[e] fenby-demo'
}

too_busy() { says '^Live: .* xruns' "$folder/said"; }
heard() {  # HOW LEAST
    awk -v how="$1:" -v least="$2" \
        'index($0, how) == 1 { sub(/.*F-measure /, ""); f = $1 } END { exit !(f >= least) }' "$folder/said"
}

test_whole() {
    unset JACK_DEFAULT_SERVER
    tests/demo.sh 6 >"$folder/said" 2>&1 &
    demo=$!
    check "demo: the synth is not connected" wait_for 40 is_connected "fenby-demo-$demo"
    wait "$demo"
    status=$?
    [ "$status" -eq 0 ] || cat "$folder/said"
    check "demo: ended with $status" [ "$status" -eq 0 ]
    check "demo: no server was wanted" says 'No JACK server is running' "$folder/said"
    check "demo: no lines" says '^on  key' "$folder/said"
    check "demo: heard too little: $(grep ^Live "$folder/said")" heard Live 0.8
    check "demo: heard too little: $(grep ^As "$folder/said")" heard "As a file" 0.9
    check "demo: no whole MIDI file" is_whole_midi "$BUILD/demo/live.mid"
    check "demo: something remains" nothing_remains
}

test_with_server() {
    export JACK_DEFAULT_SERVER="$own"
    begin_server 48000 256
    tests/demo.sh 4 >"$folder/said" 2>&1
    check "demo with a server: ended with $?" [ $? -eq 0 ]
    check "demo with a server: it was not used" says 'JACK is running' "$folder/said"
    check "demo with a server: heard too little: $(grep ^Live "$folder/said")" heard Live 0.75
    check "demo with a server: the server is gone" jack_lsp >/dev/null
    stop_server
    unset JACK_DEFAULT_SERVER
}

# In a terminal, until somebody presses Ctrl-C.
test_broken_off() {
    { wait_for 40 says 'A4' "$folder/screen"; printf '\003'; sleep 2; } |
        script -qefc "echo \$\$ >'$folder/pid'; exec tests/demo.sh" "$folder/screen" >/dev/null 2>&1
    check "demo broken off: ended with $?" [ $? -eq 130 ]
    demo=$(cat "$folder/pid")
    check "demo broken off: no live view" says 'sounding' "$folder/screen"
    check "demo broken off: the terminal is not as it was" says '1049l' "$folder/screen"
    check "demo broken off: something remains" wait_for 3 nothing_remains
}

test_killed() {
    tests/demo.sh >"$folder/said" 2>&1 &
    demo=$!
    wait_for 40 is_connected "fenby-demo-$demo"
    kill -KILL "$demo"
    wait "$demo" 2>/dev/null
    check "demo killed: something remains" wait_for 5 nothing_remains
}

for test in whole with_server broken_off killed; do try "$test"; done
report
