#!/bin/sh
# SPDX-License-Identifier: ISC
# lv2bench.sh BUNDLE: what run() of the plugin costs, by lv2bench, in blocks of 64 and of 1024 frames. Its network
# works in a thread of its own meanwhile.
set -eu
command -v lv2bench >/dev/null || { echo "lv2bench: not installed (lilv-utils)"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ln -s "$(realpath "$1")" "$folder/fenby.lv2"
for block in 64 1024; do
    LV2_PATH=$folder lv2bench -b $block -n 4800000 urn:fenby:fenby 2>/dev/null |
        awk -v block=$block '{
            printf "plugin run(), blocks of %d frames: %.2f us a block\n", block, 1e6 * $1 * block / 4800000
        }'
done
