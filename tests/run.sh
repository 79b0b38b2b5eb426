#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh TEST...: runs test programs and scripts; adds up their "N passed, N failed". A test that dies, hangs or says
# nothing counts as failed. Those of JACK mostly wait for sound to pass, so the others run meanwhile; one of JACK at
# a time, as its servers now and then disturb each other when two begin at once. With JACK_ALONE=yes the others wait
# until those of JACK are done.
set -u
folder=$(mktemp -d)
mkdir "$folder/tmp"
export TMPDIR="$folder/tmp"  # so that a test that is killed leaves nothing
jack= running=
stop() { kill $running $jack 2>/dev/null; }
trap 'stop; rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM

one() {  # TEST: says in one piece how it went, and adds a line to the counts
    name=$(basename "$1" .sh)
    log=$folder/$name
    begun=$(date +%s)
    # In the background, where the shell would ignore Ctrl-C for it: then it can be stopped at any time.
    env --default-signal=INT,QUIT timeout 600 "$1" >"$log" 2>&1 &
    running=$!
    wait $running
    status=$? running=
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    p=${line%% passed*} f=${line##*passed, } f=${f%% failed*}
    if [ -z "$line" ]; then p=0 f=1; fi
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    {
        if [ "$f" -ne 0 ]; then
            sed 's/^/    /' "$log" | tail -n 40
            echo "FAILED $name (exit $status)"
        fi
        grep '^left out' "$log"
        printf '%-24s %6d passed %4d failed %4d s\n' "$name" "$p" "$f" $(($(date +%s) - begun))
    } >"$log.said"
    cat "$log.said"
    echo "$p $f" >>"$folder/counts"
}

of_jack() { case $(basename "$1") in test_jack* | test_lv2_jalv*) true ;; *) false ;; esac; }

(
    trap stop EXIT
    trap 'exit 1' TERM
    for test; do if of_jack "$test"; then one "$test"; fi; done
) &
jack=$!
if [ "${JACK_ALONE:-}" = yes ]; then wait "$jack"; fi
for test; do of_jack "$test" || one "$test"; done
wait "$jack"
jack=
[ "$(wc -l <"$folder/counts")" -eq $# ] || echo 0 1 >>"$folder/counts"  # one was not run
awk '{p += $1; f += $2} END {print p + 0 " passed, " f + 0 " failed"; exit f > 0 || p == 0}' "$folder/counts"
