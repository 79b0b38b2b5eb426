#!/bin/sh
# SPDX-License-Identifier: ISC
# test_jack_pipewire.sh: fenby-jack in PipeWire instead of jackd: the same events at their frames, another quantum,
# latencies that change, and PipeWire's end ends it too. The other tests of test_jack.sh and test_jack_faults.sh run
# there as well, by FENBY_JACK_SERVER=pipewire, but for those that want a sound card, and no_right, of which PipeWire
# does not tell. Ends with "N passed, N failed".
cd "$(dirname "$0")/../.." || exit
FENBY_JACK_SERVER=pipewire exec tests/system/test_jack.sh in_pipewire
