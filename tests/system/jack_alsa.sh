#!/bin/sh
# SPDX-License-Identifier: ISC
# make check-alsa: PortMIDI's way out, with a real ALSA sequencer. Boots Debian's kernel in qemu (software
# emulation, so it works anywhere, in a few minutes), with a virtual MIDI cable, a JACK server on no sound card,
# and fenby-jack in it; see jack_alsa_init.sh. Checks that the bytes that arrive at the cable's other end are
# the notes that fenby-jack sent, and that a device that vanishes is reported and taken up again. Ends with
# "N passed, N failed".
set -eu
cd "$(dirname "$0")/../.."
folder=$BUILD/alsa
mkdir -p "$folder"

# --- the kernel -----------------------------------------------------------------------------------------------

kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' |
    head -n 1)
[ -n "$kernel" ] || { echo "check-alsa: apt knows no linux-image-amd64, try apt-get update" >&2; exit 1; }
if [ ! -d "$folder/$kernel" ]; then
    (cd "$folder" && apt-get download -qq "$kernel" 2>/dev/null && dpkg-deb -x "$kernel"_*.deb "$kernel")
    rm -f "$folder/$kernel"_*.deb
fi

# --- what the machine has -------------------------------------------------------------------------------------

root=$folder/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/usr/share/alsa"
cp /bin/busybox "$root/bin"
cp tests/system/jack_alsa_init.sh "$root/init"
chmod 755 "$root/init"
for module in soundcore snd snd-timer snd-seq-device snd-seq snd-rawmidi snd-seq-midi-event snd-seq-virmidi \
    snd-virmidi
do
    find "$folder/$kernel/lib/modules" -name "$module.ko" -exec cp {} "$root/modules" \;
done
for program in jackd jack_lsp aseqdump; do cp "$(command -v $program)" "$root/bin"; done
cp "$BUILD/fenby-jack" "$BUILD/tests/system/jack_player" "$root/bin"
libjack=$(ldconfig -p | sed -n 's/.* => \(.*libjack.so.0\)$/\1/p' | head -n 1)
drivers=$(dirname "$(readlink -f "$libjack")")/jack
mkdir -p "$root$drivers"
cp "$drivers/jack_dummy.so" "$root$drivers"
cp /usr/share/alsa/alsa.conf "$root/usr/share/alsa"
ldd "$root"/bin/* "$root$drivers"/* 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' |
    sort -u | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
"$BUILD/tests/system/jack_tiny" "$root/tiny.fnw" "$root/music.wav" 6 22050
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$folder/initramfs"

# --- the machine ----------------------------------------------------------------------------------------------

echo "check-alsa: booting $kernel under qemu"
timeout 900 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -nographic -no-reboot -nodefaults \
    -serial stdio -kernel "$folder/$kernel"/boot/vmlinuz-* -initrd "$folder/initramfs" \
    -append "console=ttyS0 no_timer_check quiet panic=-1" </dev/null >"$folder/console" 2>&1 || true
python3 tests/system/jack_alsa.py "$folder/console"
