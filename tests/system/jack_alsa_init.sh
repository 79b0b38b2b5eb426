#!/bin/busybox sh
# SPDX-License-Identifier: ISC
# The first program of the machine that jack_alsa.sh boots: plays music into fenby-jack, whose notes go to JACK
# and to ALSA, and prints what arrived at ALSA's other end. See there.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /tmp
mount -t tmpfs tmpfs /dev/shm
export PATH=/bin HOME=/tmp JACK_NO_START_SERVER=1
ip link set lo up
for module in soundcore snd snd-timer snd-seq-device snd-seq snd-rawmidi snd-seq-midi-event snd-seq-virmidi \
    snd-virmidi
do
    insmod "/modules/$module.ko" || echo "no module $module"
done

wait_for() {  # SECONDS COMMAND...
    tries=$(($1 * 5)); shift
    while ! "$@" >/dev/null 2>&1 && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.2; done
}
joined() { jack_lsp | grep -q fenby:midi_out; }
show() { echo "=== $1"; cat "$1"; }

cd /tmp
jackd --no-realtime -d dummy -r 22050 -p 512 >jackd.log 2>&1 &
wait_for 60 jack_lsp
jack_lsp >/dev/null 2>&1 || { cat jackd.log; poweroff -f; }

echo
echo "=== devices"
fenby-jack --list-devices

# Music to a virtual MIDI cable, whose other end is a device file.
cat /dev/snd/midiC0D0 >bytes &
cable=$!
fenby-jack --plain --osc-port off --model /tiny.fnw --midi both:VirMIDI >lines 2>errors &
fenby=$!
wait_for 60 joined
jack_player /music.wav fenby:in fenby:midi_out 1 >played
kill $fenby
wait $fenby
echo "status $?"
sleep 1
kill $cable

# A device that goes and comes back: another program's port.
aseqdump >dump1 &
dump=$!
sleep 1
fenby-jack --plain --osc-port off --model /tiny.fnw --midi both:aseqdump >lines2 2>errors2 &
fenby=$!
wait_for 60 joined
jack_player /music.wav fenby:in fenby:midi_out 1 >played2 &
player=$!
wait_for 30 grep -q '^ *on ' lines2
sleep 0.5  # it leaves a period after it was told of
kill $dump
wait_for 30 grep -q 'is gone' errors2 lines2
aseqdump >dump2 &
dump=$!
wait_for 30 grep -q 'is back' errors2 lines2
wait $player
jack_player /music.wav fenby:in fenby:midi_out 1 >played2
kill $fenby
wait $fenby
echo "status2 $?"
kill $dump

for file in lines errors played lines2 errors2 dump1 dump2; do show $file; done
echo "=== bytes"
hexdump -v -e '/1 "%d\n"' bytes
echo "=== end"
poweroff -f
