#!/bin/sh
# SPDX-License-Identifier: ISC
# test_jack_pipewire.sh: fenby-jack in PipeWire instead of jackd: the same events at their frames, and PipeWire's
# end ends it too. The other tests of test_jack.sh run there as well, by FENBY_JACK_SERVER=pipewire, but for those
# that want a sound card or jack_bufsize. Ends with "N passed, N failed".
cd "$(dirname "$0")/../.." || exit
FENBY_JACK_SERVER=pipewire exec tests/system/test_jack.sh in_pipewire
