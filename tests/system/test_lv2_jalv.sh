#!/bin/sh
# SPDX-License-Identifier: ISC
# test_lv2_jalv.sh: the plugin in jalv, a real host, with a JACK server of its own on no sound card: music
# is played into it as it sounds, and the notes that come out are those that fenby writes. Then with a window
# of jalv's, in which Fenby's shows these notes ($BUILD/fenby-jalv.png). Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.."
. tests/checks.sh
. tests/system/jack_server.sh
folder=$(mktemp -d)
host= screen=
export JACK_DEFAULT_SERVER=fenby-jalv-$$ JACK_NO_START_SERVER=1
export LV2_PATH=$folder/lv2:/usr/lib/lv2

clean_up() {
    [ -z "$host" ] || kill "$host" 2>/dev/null
    [ -z "$screen" ] || kill "$screen" 2>/dev/null
    stop_server
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

begin_server() {
    start_server 48000 256 "$folder/jackd.log" && return
    cat "$folder/jackd.log"
    bad "no JACK server comes up"
    exit 1
}

# Its standard input stays open until the end.
start_host() {  # OPTION...
    mkfifo "$folder/input-$passed"
    stdbuf -oL jalv -n fenby "$@" <"$folder/input-$passed" >"$folder/host.log" 2>&1 &
    host=$!
    exec 3>"$folder/input-$passed"
    wait_for 10 has_port fenby:midi_out
    check "jalv does not join JACK: $(cat "$folder/host.log")" has_port fenby:midi_out
}

end_host() {
    kill -INT "$host"
    wait_for 5 has_ended "$host"
    check "jalv does not end" has_ended "$host"
    wait "$host"
    check "jalv ended with $?" [ $? -eq 0 ]
    exec 3>&-
    host=
}

play() {  # AUDIO_PORT
    "$BUILD/tests/system/jack_player" "$folder/music.wav" "$1" fenby:midi_out 1 \
        >"$folder/played" 2>"$folder/player.log"
    status=$?
    check "the player failed: $(cat "$folder/player.log")" [ "$status" -eq 0 ]
}

# What the plugin says is its latency. (What jalv tells JACK of it is the wrong way round.)
latency() {
    echo monitors >&3
    wait_for 5 grep -aq 'latency = ' "$folder/host.log"
    sed -n 's/.*latency = \([0-9]*\).*/\1/p' "$folder/host.log" | tail -n 1
}

# Fenby's notes among those that came out, their frames less the latency.
compare() {
    awk -v latency="$(latency)" -F '[ ,]' '
        FNR == NR { if (FNR > 1) { onset[++n] = $1; key[n] = $3 } next }
        $1 == "midi" && $3 >= 144 {
            played++
            sounding[$4]++
            time = ($2 - latency) / 48000
            for (i = 1; i <= n; i++)
                if (key[i] == $4 && onset[i] > time - 0.05 && onset[i] < time + 0.05) {
                    found++
                    onset[i] = -1
                    break
                }
        }
        $1 == "midi" && $3 < 144 { sounding[$4]-- }
        END {
            for (k in sounding) if (sounding[k]) hanging++
            printf "%d written, %d played, %d alike, %d hang, latency %d\n", n, played, found, hanging, latency
            same = n > 5 && played > 5 && found >= 0.8 * n && found >= 0.8 * played
            exit !(same && !hanging && latency > 1000)
        }' "$folder/notes.csv" "$folder/played" >"$folder/compared"
    good=$?
    cat "$folder/compared"
    return $good
}

# When JACK leaves out periods, notes get lost on the way: then there are two more tries.
play_and_compare() {  # AUDIO_PORT
    for n in 1 2 3; do
        play "$1"
        compare && break
        [ $n -lt 3 ] && [ "$(count_xruns "$folder/played")" -gt 0 ] || return 1
        echo "the machine was too busy, try $n"
    done
}

channels() { awk '$1 == "midi" {print $3 % 16 + 1}' "$folder/played" | sort -u | tr '\n' ' '; }

mkdir "$folder/lv2"
ln -s "$(realpath "$BUILD/lv2/fenby.lv2")" "$folder/lv2/fenby.lv2"
tests/music/render.sh "$BUILD/tests/music/compose" demo 0 "$folder" >/dev/null &&
    sox "$folder/demo.wav" -r 48000 -c 1 -b 16 "$folder/music.wav" remix 1 trim 0.3 5 2>/dev/null &&
    "$BUILD/fenby" -q "$folder/music.wav" -o "$folder/notes.mid" --csv "$folder/notes.csv"
check "no music" [ -s "$folder/notes.csv" ]

begin_server
start_host -p urn:fenby:fenby
play_and_compare fenby:in
check "other notes than fenby's" [ $? -eq 0 ]
check "not on channel 1: $(channels)" [ "$(channels)" = "1 " ]
end_host

start_host -c midi_channel=16 urn:fenby:fenby-stereo
play_and_compare fenby:in_left
check "stereo: other notes than fenby's" [ $? -eq 0 ]
check "not on channel 16: $(channels)" [ "$(channels)" = "16 " ]
end_host

# In a window.
mkfifo "$folder/display"
Xvfb -displayfd 5 -screen 0 1280x800x24 -nolisten tcp 5>"$folder/display" >/dev/null 2>&1 &
screen=$!
read -r number <"$folder/display"
export DISPLAY=":$number" NO_AT_BRIDGE=1
jalv.gtk3 --jack-name fenby urn:fenby:fenby >"$folder/host.log" 2>&1 &
host=$!
wait_for 20 has_port fenby:midi_out
check "jalv.gtk3 does not join JACK: $(cat "$folder/host.log")" has_port fenby:midi_out
play fenby:in
check "jalv's window does not show the notes" \
    "$BUILD/tests/system/lv2_seen" "$folder/played" "$BUILD/fenby-jalv.png"
kill "$host"
wait "$host"
host=

report
