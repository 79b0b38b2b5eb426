#!/bin/sh
# SPDX-License-Identifier: ISC
# test_jack_faults.sh [TEST...]: what can go wrong on a stage while notes sound. Whatever it is, fenby-jack goes
# on or says what is wrong, and every note ends: that is read from the MIDI that another JACK client received.
# Ends with "N passed, N failed". TESTs are the names of functions below, without test_; without any, all are
# done.
set -u
cd "$(dirname "$0")/../.."
. tests/system/jack_lib.sh
mounted=

# The other half of the clean-up.
unmount() { if [ -n "$mounted" ]; then umount "$mounted"; fi; mounted=; }
trap 'unmount; clean_up' EXIT

goes_on() { kill -0 "$program" 2>/dev/null; }
ends_well() {  # WHAT
    goes_on || bad "$1: fenby-jack has ended: $(cat "$folder/errors")"
    end_fenby TERM
    check "$1: ended with $status" [ "$status" -eq 0 ]
    check "$1: notes sound on" lines_balance
}
n_on() { grep -c '^on ' "$folder/lines"; }

# Plays in the background until some notes sound. Fills $playing.
play_until_notes_sound() {  # WAV TAIL
    before=$(n_on)
    play "$1" "$2" &
    playing=$!
    wait_for 10 some_lines $((before + 3)) && wait_for 5 sounds || bad "no notes sound"
}

# --- the disk -------------------------------------------------------------------------------------------------

# A disk of our own where that is allowed. Elsewhere no file may grow beyond a size, which the recording's has
# already when the limit is set. Fills $disk.
small_disk() {  # KIB
    disk=$folder/disk
    mkdir -p "$disk"
    if mount -t tmpfs -o "size=$1k" fenby-test "$disk" 2>/dev/null; then mounted=$disk; fi
}

fill_disk() {
    if [ -n "$mounted" ]; then
        dd if=/dev/zero of="$disk/rest" bs=1k >/dev/null 2>&1
        check "the disk is not full" [ "$(df --output=avail "$disk" | tail -n 1)" -eq 0 ]
    else
        prlimit --pid "$program" --fsize=1024
    fi
}

# Full before it begins: refused. Full while it records: what is being played is in the file all the same.
test_disk_full() {
    begin_server 48000 256
    small_disk 700
    start_fenby --record "$disk/full.mid"
    joined
    fill_disk
    play "$folder/48000.wav" 0.5
    ends_well "disk full"
    check "disk full: few notes" some_lines 10
    check "disk full: notes sound on in JACK" played_balance
    n_recorded=$("$recorder" "$disk/full.mid")
    check "disk full: recorded '$n_recorded', played $(n_on)" [ "$n_recorded" = "$(n_on) notes " ]
    [ -z "$mounted" ] || check "disk full: a new recording" refuses 'full2.mid: .*No space left' \
        --record "$disk/full2.mid" --no-start-server
    stop_server
    unmount
}

# It breaks off while it records: that is said when it happens, and by the status at the end.
test_lost_recording() {
    begin_server 48000 256
    start_fenby --record "$folder/lost.mid" --quiet
    joined
    prlimit --pid "$program" --fsize=300:
    for time in 1 2; do play "$folder/48000.wav" 1; done
    prlimit --pid "$program" --fsize=unlimited:
    check "lost recording: fenby-jack has ended" goes_on
    check "lost recording: no message" says 'lost.mid: cannot be written: File too large' "$folder/errors"
    end_fenby TERM
    check "lost recording: ended with $status" [ "$status" -eq 1 ]
    check "lost recording: no message at the end" says 'a recording lacks notes' "$folder/errors"
    check "lost recording: the file is not well-formed" "$recorder" "$folder/lost.mid" >/dev/null
    check "lost recording: notes sound on in JACK" played_balance
    stop_server
}

# The disk stands still when the state is to be kept, and holds up the program: more notes leave than can wait.
test_held_up() {
    preloads "a disk that holds up the program" || return
    export JACK_SLOW_DISK=$folder/slow
    sox "$folder/48000.wav" "$folder/long.wav" repeat 59
    port=$(python3 $here/jack_osc.py port)
    begin_server 48000 1024
    LD_PRELOAD=${preload%witness.so}slow_disk.so start_fenby --osc-port "$port" --state "$folder/state" \
        --record "$folder/held_up.mid" --set bends=mpe
    joined
    : >"$JACK_SLOW_DISK"
    python3 $here/jack_osc.py send "$port" /fenby/param/sensitivity 1 >/dev/null
    sleep 6
    play "$folder/long.wav" 0.1 freewheel
    rm "$JACK_SLOW_DISK"
    check "held up: no message" wait_for 5 says 'held_up.mid: notes are missing' "$folder/errors"
    end_fenby TERM
    stop_server
    check "held up: ended with $status" [ "$status" -eq 1 ]
    check "held up: no message at the end" says 'a recording lacks notes' "$folder/errors"
    check "held up: it is said more than once" [ "$(grep -c 'notes are missing' "$folder/errors")" -eq 1 ]
    check "held up: the recording is not whole" "$recorder" "$folder/held_up.mid" >/dev/null
}

# It cannot be written for a while: that is said once, and made up for. If it never can, the status says so.
test_state() {
    start_fenby --wait --state "$folder/later/state"
    check "state: no message" wait_for 5 state_fails 1
    sleep 6
    check "state: $(grep -c 'later/state' "$folder/errors") messages" state_fails 1
    mkdir "$folder/later"
    check "state: it is not tried again" wait_for 10 test -s "$folder/later/state"
    check "state: that it was written is not said" wait_for 5 says 'the state is kept again' "$folder/lines"
    end_fenby TERM
    check "state: ended with $status" [ "$status" -eq 0 ]
    if preloads "a state that need not be written"; then  # their start writes files
        under="prlimit --fsize=0:" start_fenby --quiet --wait --state "$folder/later/state"
        sleep 1
        end_fenby TERM
        check "state: nothing to write, nowhere to write it: ended with $status" [ "$status" -eq 0 ]
    fi
    rm -r "$folder/later" "$folder/errors"
    start_fenby --wait --state "$folder/later/state"
    wait_for 5 state_fails 1
    end_fenby TERM
    check "state: never written: ended with $status" [ "$status" -eq 1 ]
    check "state: no message at the end" state_fails 2
}
state_fails() { [ "$(grep -c 'later/state: cannot be written: No such file' "$folder/errors")" -eq "$1" ]; }  # TIMES

# --- the server -----------------------------------------------------------------------------------------------

# Comes back with another rate.
test_rate() {
    begin_server 44100 256
    start_fenby --wait
    joined
    play_until_notes_sound "$folder/44100.wav" 0
    stop_server
    wait "$playing"
    check "rate: no message" wait_for 5 says 'the JACK server is gone' "$folder/errors"
    check "rate: notes sound on without a server" wait_for 5 falls_silent
    first=$(n_on)
    begin_server 48000 256
    joined
    play "$folder/48000.wav" 0.5
    ends_well "rate"
    check "rate: 44100 Hz" says 'runs in JACK at 44100 Hz' "$folder/lines"
    check "rate: 48000 Hz" says 'runs in JACK at 48000 Hz' "$folder/lines"
    check "rate: notes sound on in JACK" played_balance
    "$fenby" "$folder/48000.wav" -q -o "$folder/rate.mid" --csv "$folder/rate.csv"
    wanted=$(($(wc -l <"$folder/rate.csv") - 1)) heard=$(($(n_on) - first))
    check "rate: $heard notes at the new rate, expected $wanted or so" \
        [ $((heard - wanted)) -le 2 -a $((wanted - heard)) -le 2 ]
    stop_server
}

# Other periods, again and again.
test_buffer_sizes() {
    begin_server 48000 64
    start_fenby
    joined
    play_until_notes_sound "$folder/48000.wav" 1
    for frames in 1024 32 512 64 2048 128; do
        set_period $frames
        sleep 0.3
    done
    wait "$playing"
    ends_well "buffer sizes"
    check "buffer sizes: not all were taken up" [ "$(grep -c 'frames a period' "$folder/lines")" -ge 6 ]
    check "buffer sizes: notes sound on in JACK" played_balance
    stop_server
}

# --- connections ----------------------------------------------------------------------------------------------

test_pulled_input() {
    begin_server 48000 128
    start_fenby
    joined
    play_until_notes_sound "$folder/48000.wav" 1
    jack_disconnect player:out fenby:in
    check "input pulled: notes sound on" wait_for 2 falls_silent
    before=$(n_on)
    jack_connect player:out fenby:in
    wait "$playing"
    check "input plugged in again: no notes" some_lines $((before + 3))
    ends_well "input pulled"
    check "input pulled: notes sound on in JACK" played_balance
    stop_server
}

# What was to end meanwhile sounds on in the synth, and nobody can help that; panic ends it.
test_pulled_output() {
    port=$(python3 $here/jack_osc.py port)
    begin_server 48000 128
    start_fenby --osc-port "$port"
    joined
    play_until_notes_sound "$folder/48000.wav" 1
    jack_disconnect fenby:midi_out recorder:in
    sleep 1
    jack_connect fenby:midi_out recorder:in
    sleep 0.5
    python3 $here/jack_osc.py send "$port" /fenby/panic >/dev/null
    wait "$playing"
    ends_well "output pulled"
    awk '$1 == "midi" && $3 < 160 {sounds[$4] = $3 >= 144}
         $1 == "midi" && $3 == 176 && $4 == 123 {delete sounds; n++}
         END {for (k in sounds) if (sounds[k]) exit 1; exit n != 1}' "$folder/played"
    check "output pulled: notes sound on in JACK" [ $? -eq 0 ]
    stop_server
}

test_killed_player() {
    begin_server 48000 128
    start_fenby
    joined
    "$player" "$folder/48000.wav" fenby:in fenby:midi_out 1 >"$folder/played" 2>&1 &
    playing=$!
    wait_for 10 some_lines 3 && wait_for 5 sounds || bad "no notes sound"
    kill -KILL "$playing"
    wait "$playing" 2>/dev/null
    # Without real-time priority JACK waits for ten seconds for clients that are no more, and nothing is heard meanwhile.
    check "player killed: notes sound on" wait_for 15 falls_silent
    before=$(n_on)
    play "$folder/48000.wav" 0.5
    check "player killed: no notes for the next one" some_lines $((before + 10))
    ends_well "player killed"
    check "player killed: notes sound on in JACK" played_balance
    stop_server
}

# A synth outside JACK knows of notes that nobody else does: it was unplugged while they sounded, or panic is called for.
test_unplugged_synth() {
    preloads "a synth that is unplugged" || return
    port=$(python3 $here/jack_osc.py port)
    begin_server 48000 128
    JACK_PORTMIDI=$folder/synth LD_PRELOAD=${preload%witness.so}portmidi.so start_fenby --midi both --osc-port "$port"
    joined
    play_until_notes_sound "$folder/48000.wav" 1
    touch "$folder/synth.gone"
    check "synth unplugged: no message" wait_for 5 says "'Stage Synth' is gone" "$folder/errors"
    rm "$folder/synth.gone"
    check "synth unplugged: it is not taken up again" wait_for 5 says "'Stage Synth' is back" "$folder/errors"
    wait "$playing"
    before=$(n_silenced)
    check "synth unplugged: when it was back $before channels were silenced" [ "$before" -eq 16 ]
    python3 $here/jack_osc.py send "$port" /fenby/panic >/dev/null
    wait_for 5 all_silenced $((before + 16))
    check "synth unplugged: panic silenced $(($(n_silenced) - before)) channels" \
        [ "$(n_silenced)" -eq $((before + 16)) ]
    ends_well "synth unplugged"
    awk '$1 == "open" {delete n}
         $1 == "midi" && $2 < 160 {n[$3] += $2 >= 144 ? 1 : -1}
         $1 == "midi" && $2 == 144 {on++}
         END {for (k in n) if (n[k]) exit 1; exit on < 3}' "$folder/synth"
    check "synth unplugged: notes sound on in it" [ $? -eq 0 ]
    stop_server
}
n_silenced() { awk '$1 == "midi" && $2 >= 176 && $2 < 192 && $3 == 123 && !$4 {n++} END {print n + 0}' "$folder/synth"; }
all_silenced() { [ "$(n_silenced)" -ge "$1" ]; }

# What readies a channel for its bends, a message each millisecond, is over when the channel's first note is due, where
# that is known early enough.
test_readied_synth() {
    preloads "when a synth is readied" || return
    begin_server 48000 1024
    rm -f "$folder/readied"
    JACK_PORTMIDI=$folder/readied LD_PRELOAD=${preload%witness.so}portmidi.so start_fenby --midi both --set bends=mpe
    joined
    play "$folder/48000.wav" 0.5
    ends_well "synth readied"
    set -- $(awk '
        $1 == "midi" && $2 > 176 && $2 < 192 && $3 == 6 {readied[$2 % 16] = $5}
        $1 == "midi" && $2 > 144 && $2 < 160 && $2 % 16 in readied {
            if ($5 - $6 > 10) {n++; waits += $5 - readied[$2 % 16] < 3}
            delete readied[$2 % 16]
        }
        END {print n + 0, waits + 0}' "$folder/readied")
    check "synth readied: $1 channels" [ "$1" -ge 3 ]
    check "synth readied: on $2 of $1 channels the note had to wait" [ "$2" -eq 0 ]
    stop_server
}

# --- the terminal ---------------------------------------------------------------------------------------------

test_terminal() {
    ports=
    for time in 1 2 3; do ports="$ports $(python3 $here/jack_osc.py port)"; done
    python3 $here/jack_terminal.py "$fenby_jack" $ports >"$folder/terminal.log" 2>&1
    add "$folder/terminal.log"
}

# Nobody reads the lines any more, and the pipe is full: all else goes on.
test_unread() {
    mkfifo "$folder/unread"
    exec 3<>"$folder/unread"
    dd if=/dev/zero of="$folder/unread" bs=4k oflag=nonblock 2>/dev/null
    port=$(python3 $here/jack_osc.py port)
    begin_server 48000 256
    lines=$folder/unread start_fenby --osc-port "$port" --record "$folder/unread.mid"
    lines=
    joined
    play "$folder/48000.wav" 0.5
    answer=$(python3 $here/jack_osc.py send "$port" /fenby/panic)
    check "unread: OSC answers '$answer'" [ "$answer" = "/fenby/done ['/fenby/panic']" ]
    timeout 2 cat <&3 >"$folder/read" &
    reading=$!
    sleep 0.5
    end_fenby TERM
    wait "$reading"
    exec 3<&-
    rm "$folder/unread"
    stop_server
    check "unread: ended with $status" [ "$status" -eq 0 ]
    check "unread: nothing is said of it" says '^[1-9][0-9]* lines were not read' "$folder/read"
    n_played=$(awk '$1 == "midi" && $3 >= 144 && $3 < 160 {n++} END {print n + 0}' "$folder/played")
    n_recorded=$("$recorder" "$folder/unread.mid")
    check "unread: recorded '$n_recorded', received $n_played" [ "$n_played" -gt 5 -a "${n_recorded%% *}" -ge "$n_played" ]
}

# The terminal's end is the program's, except under nohup. It ends while notes sound, and each of them in JACK, too.
test_hangup() {
    begin_server 48000 1024
    under='env --default-signal=HUP' start_fenby  # this script may itself run under nohup
    under=
    joined
    end_fenby HUP
    check "hangup: ended with $status" [ "$status" -eq 0 ]
    under=nohup start_fenby
    under=
    joined
    kill -HUP "$program"
    play_until_notes_sound "$folder/48000.wav" 0
    ends_well "hangup under nohup"
    wait "$playing"
    check "hangup under nohup: notes sound on in JACK" played_balance
    stop_server
}

# --- others ---------------------------------------------------------------------------------------------------

test_osc_flood() {
    port=$(python3 $here/jack_osc.py port)
    begin_server 48000 128
    start_fenby --osc-port "$port"
    joined
    play_until_notes_sound "$folder/48000.wav" 1
    python3 $here/jack_osc.py flood "$port" 2 >"$folder/flood.log" 2>&1
    wait "$playing"
    add "$folder/flood.log"
    check "flood: few notes" some_lines 10
    check "flood: notes were late for it" [ "$(tail -n 1 "$folder/lines" | grep -c 'gaps [1-9]')" -eq 0 ]
    ends_well "flood"
    check "flood: notes sound on in JACK" played_balance
    stop_server
}

# How far apart events lie in JACK and in fenby-jack, at the beginning and at the end: alike when the clocks agree. On a
# busy machine some leave late, so what counts is the nearest of the first three and of the last eight.
clocks() {
    awk '$1 == "midi" {left[++n] = $2} $1 == "on" || $1 == "off" {frame[++m] = $10}
         function nearest(from, to, i, apart) {
             for (i = from; i <= to; i++) if (i == from || left[i] - frame[i] < apart) apart = left[i] - frame[i]
             return apart
         }
         END {print n - m, nearest(1, 3), nearest(n - 7, n)}' "$folder/played" "$folder/lines"
}

# The server tells every client of every xrun. After some eighty that a client has not read, the server (JACK
# 1.9.21) loses count of its own messages and hangs, for a minute at times. So what stands still here does so for
# fewer periods than that.

# It stands still for a moment: JACK goes on without it. The notes after that are at their time all the same.
test_halted() {
    begin_server 48000 256 asynchronous
    start_fenby
    joined
    play_until_notes_sound "$folder/48000.wav" 1
    kill -STOP "$program"
    sleep 0.2
    kill -CONT "$program"
    wait "$playing"
    ends_well "halted"
    check "halted: no xrun was counted" says '^xruns [1-9]' "$folder/lines"
    set -- $(clocks)
    check "halted: $1 events too many; JACK's clock was $2 frames ahead, then $3" [ "$1" -eq 0 -a "$2" -eq "$3" ]
    check "halted: notes sound on in JACK" played_balance
    stop_server
}

# The program stands still for a while, as on a machine that is out of breath.
test_stopped() {
    begin_server 48000 2048 asynchronous
    start_fenby
    joined
    play_until_notes_sound "$folder/48000.wav" 1
    kill -STOP "$program"
    sleep 1
    kill -CONT "$program"
    wait "$playing"
    ends_well "stopped"
    check "stopped: no notes afterwards" some_lines 5
    check "stopped: notes sound on in JACK" played_balance
    stop_server
}

# The server stands still: JACK's library waits for it without end, the program does not.
test_standstill() {
    begin_server 48000 256
    start_fenby --record "$folder/still.mid"
    joined
    kill -STOP "$server"
    sleep 0.5
    end_fenby TERM
    check "standstill: ended with $status" [ "$status" -eq 1 ]
    check "standstill: no message" says 'does not answer' "$folder/errors"
    check "standstill: the recording is '$("$recorder" "$folder/still.mid")'" \
        [ "$("$recorder" "$folder/still.mid")" = "0 notes " ]
    stop_server KILL  # going on it would take up to a minute to end
    sweep_up
}

make_music
[ $# -gt 0 ] || set -- disk_full lost_recording held_up state rate buffer_sizes pulled_input pulled_output killed_player \
    unplugged_synth readied_synth terminal unread hangup osc_flood halted stopped standstill
for test; do try "$test"; done
report
