# SPDX-License-Identifier: ISC
# Checks that count, and the closing line that says how many; to be sourced.
passed=0 failed=0

good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED: $*"; }
check() { what=$1; shift; if "$@"; then good; else bad "$what"; fi; }  # WHAT COMMAND...

report() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
