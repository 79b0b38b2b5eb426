#!/bin/sh
# SPDX-License-Identifier: ISC
# arm64.sh FOLDER: builds the core (dsp/, nn/) for arm64 and runs its tests under qemu, which has NEON; then counts
# the instructions of one hop and says what that asks of a Raspberry Pi.
#
# The libraries come from Debian's arm64 packages, unpacked into FOLDER/root: nothing is installed.
set -eu
folder=$(realpath -m "$1")
root=$folder/root
mkdir -p "$root"

# apt with lists of its own, so that this machine's stay as they are.
fetch() {
    state=$folder/apt
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$folder/packages"
    touch "$state/status"
    set -- -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" -o Dir::Cache="$state/cache" \
        -o Dir::State::status="$state/status" -o APT::Sandbox::User=root
    apt-get -qq "$@" update
    (cd "$folder/packages" && apt-get -qq "$@" download libfftw3-dev libfftw3-single3 libfftw3-double3)
    for package in "$folder"/packages/*.deb; do dpkg -x "$package" "$root"; done
}
[ -e "$root/usr/lib/aarch64-linux-gnu/libfftw3f.so" ] || fetch

tests="ring heads net weights note_tracker parameters exponent sliding_dft cqt tuning attack pitch transcriber engine midi_out"
programs=
for test in $tests; do programs="$programs $folder/tests/test_$test"; done
lib=$root/usr/lib/aarch64-linux-gnu
# No programs, so none of their libraries.
PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root make --no-print-directory WERROR=1 BUILD="$folder" \
    CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar LDFLAGS="-L$lib -Wl,-rpath-link,$lib" \
    PROGRAM_MODULES= FENBY_PKGS= JACK=no LV2=no $programs "$folder/tests/bench/hops" >"$folder/log" 2>&1 ||
    { tail -n 20 "$folder/log"; exit 1; }

emulate() { qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$lib" "$@"; }  # a CPU that can do all there is

failures=0
for test in $tests; do
    line=$(emulate "$folder/tests/test_$test" 2>"$folder/errors" | tail -n 1) || true
    printf '%-24s %s\n' "arm64 test_$test" "${line:-died}"
    case $line in *' 0 failed') ;; *) failures=1; cat "$folder/errors" ;; esac
done

# Instructions of a hop: what 60 hops take more than 20, counted by a plugin of qemu, on the CPU of a Raspberry Pi 4 and of a 5,
# which has dot products.
cc -shared -fPIC -o "$folder/count.so" tests/bench/qemu_count.c
count() {  # CPU HOPS WORD
    emulate -cpu "$1" -plugin "$folder/count.so" -d plugin "$folder/tests/bench/hops" "$2" 2>&1 |
        awk -v want="$3" '$1 == want { print $2 }'
}
weigh() {  # MODEL CPU GHZ INSTRUCTIONS_A_CYCLE
    few=$(count "$2" 20 instructions) many=$(count "$2" 60 instructions) macs=$(count "$2" 20 multiply-adds)
    awk -v few="$few" -v many="$many" -v macs="$macs" -v model="$1" -v ghz="$3" -v each="$4" 'BEGIN {
        hop = (many - few) / 40; rate = hop * 22050 / 256
        printf "arm64: %.1f million instructions a hop (the network has %.1f million multiply-adds), %.0f million a second\n",
               hop / 1e6, macs / 1e6, rate / 1e6
        printf "a Raspberry Pi %s (%.1f GHz) at %d instruction%s a cycle: %.0f %% of a core\n", model, ghz, each,
               (each > 1 ? "s" : ""), rate / (ghz * each * 1e9) * 100
    }'
}
weigh 4 cortex-a72 1.8 1
weigh 5 cortex-a76 2.4 2
exit $failures
