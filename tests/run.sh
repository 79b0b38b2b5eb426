#!/bin/sh
# SPDX-License-Identifier: ISC
# run.sh TEST...: runs test programs, then the scripts tests/test_*.sh; adds up their "N passed, N failed".
# A test that dies, hangs or says nothing counts as failed.
set -u
here=$(dirname "$0")
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

one() {  # NAME COMMAND...
    name=$1; shift
    timeout 600 "$@" >"$log" 2>&1
    status=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    p=${line%% passed*} f=${line##*passed, } f=${f%% failed*}
    if [ -z "$line" ]; then p=0 f=1; fi
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$f" -ne 0 ]; then
        sed 's/^/    /' "$log" | tail -n 40
        echo "FAILED $name (exit $status)"
    fi
    printf '%-24s %6d passed %4d failed\n' "$name" "$p" "$f"
    passed=$((passed + p)) failed=$((failed + f))
}

for test; do one "$(basename "$test")" "$test"; done
for script in "$here"/test_*.sh; do
    [ -e "$script" ] && one "$(basename "$script" .sh)" sh "$script" "$BUILD/fenby"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
