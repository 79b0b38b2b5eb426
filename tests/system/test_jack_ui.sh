#!/bin/sh
# SPDX-License-Identifier: ISC
# test_jack_ui.sh: the window of fenby-jack on an X server of the test's own (Xvfb): what is played is seen in
# its place, what is clicked is done. Leaves a picture in $BUILD/fenby-jack-ui.png. Ends with "N passed, N
# failed".
set -u
cd "$(dirname "$0")/../.."
. tests/system/jack_lib.sh
window=$BUILD/tests/system/jack_window screen=
export XDG_MUSIC_DIR=$folder/music

stop_screen() {
    [ -n "$screen" ] || return 0
    kill "$screen" 2>/dev/null
    wait "$screen" 2>/dev/null
    screen=
}
trap 'stop_screen; clean_up' EXIT

start_screen() {
    rm -f "$folder/display"
    Xvfb -displayfd 3 -screen 0 1200x700x24 -nolisten tcp 3>"$folder/display" 2>/dev/null &
    screen=$!
    wait_for 10 test -s "$folder/display" || { bad "Xvfb does not start: is it installed?"; exit 1; }
    export DISPLAY=":$(cat "$folder/display")"
}

n_on() { grep -c '^on ' "$folder/lines"; }
played_keys() { awk '$1 == "on" {print $3}' "$folder/lines" | sort -nu | tr '\n' ' '; }

# The keys in the picture, which shows ten seconds, are those that were played.
look() {
    "$window" fenby shot "$BUILD/fenby-jack-ui.png" >"$folder/seen"
    keys=$(sed 's/^[0-9]* [0-9]* //; s/sound.*//' "$folder/seen")
    n_blue=$(sed 's/.*sound //' "$folder/seen")
    check "ui: the keys seen are $keys, those played $(played_keys)" [ "$keys" = "$(played_keys)" ]
    check "ui: $n_blue pixels show sound" [ "$n_blue" -gt 2000 ]
}

press_save() {
    rm -rf "$XDG_MUSIC_DIR"
    mkdir "$XDG_MUSIC_DIR"
    "$window" fenby key s
}

check_saved() {
    wait_for 5 test -e "$XDG_MUSIC_DIR"/*.mid
    saved=$("$recorder" "$XDG_MUSIC_DIR"/*.mid)
    check "ui: saved '$saved', played $(n_on)" [ "$saved" = "$(n_on) notes " ]
}

# The first control is the mode, the next value after live is studio.
change_mode() {
    "$window" fenby click 20 20
    wait_for 10 says '^set mode 2$' "$folder/state"
    check "ui: the mode was not changed by a click" [ $? -eq 0 ]
}

test_window() {
    start_screen
    rm -f "$folder/state"
    begin_server 48000 64
    JACK_WITNESS=$folder/witness LD_PRELOAD=$preload start_fenby --ui --state "$folder/state"
    joined
    play "$folder/48000.wav" 0.5
    look
    press_save
    check_saved
    change_mode
    "$window" fenby close
    end_fenby
    check "ui: closing the window: ended with $status" [ "$status" -eq 0 ]
    check "ui: notes sound on" lines_balance
    check "ui: notes sound on in JACK" played_balance
    [ -z "$preload" ] || check "ui: the process callback called: $(cat "$folder/witness")" \
        says '^calls 0 ' "$folder/witness"
    stop_server
    stop_screen
}

# A disk that takes its time holds up nothing but the end; then it is whole, or said that it is not.
test_slow_disk() {
    preloads "a slow disk" || return
    port=$(python3 $here/jack_osc.py port)
    export JACK_SLOW_DISK=$folder/slow
    start_screen
    begin_server 48000 128
    for fails in '' x; do
        LD_PRELOAD=${preload%witness.so}slow_disk.so start_fenby --ui --osc-port "$port"
        joined
        play "$folder/48000.wav" 0.5
        : >"$JACK_SLOW_DISK"
        press_save
        sleep 0.5
        answer=$(timeout 2 python3 $here/jack_osc.py send "$port" /fenby/panic)
        check "ui: slow disk: OSC answers '$answer'" says_done "$answer"
        "$window" fenby close
        sleep 0.5
        check "ui: slow disk: fenby-jack has ended" kill -0 "$program"
        check "ui: slow disk: it is there already" [ ! -e "$XDG_MUSIC_DIR"/*.mid ]
        if [ "$fails" ]; then echo >"$JACK_SLOW_DISK"; else rm "$JACK_SLOW_DISK"; fi
        end_fenby
        if [ "$fails" ]; then
            check "ui: bad disk: ended with $status" [ "$status" -eq 1 ]
            check "ui: bad disk: no message" says 'fenby-20.*.mid: .*Input/output error' "$folder/errors"
        else
            check "ui: slow disk: ended with $status" [ "$status" -eq 0 ]
            check_saved
        fi
    done
    stop_server
    stop_screen
}
says_done() { case $1 in /fenby/done*) true ;; *) false ;; esac; }

# The X server goes while notes sound.
test_lost_screen() {
    start_screen
    begin_server 48000 128
    start_fenby --ui
    joined
    play "$folder/48000.wav" 0.5 &
    playing=$!
    wait_for 10 some_lines 3
    stop_screen
    end_fenby
    wait "$playing"
    check "ui: X gone: ended with $status" [ "$status" -eq 1 ]
    check "ui: X gone: notes sound on" lines_balance
    check "ui: X gone: notes sound on in JACK" played_balance
    stop_server
}

make_music
DISPLAY= check "ui: no display" refuses 'no X11 display' --ui --no-start-server
for test in window slow_disk lost_screen; do try "$test"; done
report
