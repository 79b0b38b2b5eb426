#!/bin/sh
# SPDX-License-Identifier: ISC
# realtime.sh CLANG FLAG...: has a clang that knows the `nonblocking` effect (20 or later) follow every call from the
# functions marked FENBY_REALTIME, and refuse allocation, locks and whatever it cannot follow. First it must refuse
# what is wrong.
set -eu
. "$(dirname "$0")/checks.sh"

refuses() {  # STATEMENT CLANG FLAG...
    statement=$1
    shift
    printf '%s\n' '#include <pthread.h>' '#include <stdio.h>' '#include <stdlib.h>' '#include "dsp/rt.h"' \
        'extern pthread_mutex_t lock; extern void *block;' \
        'static void helper(void) { '"$statement"' }' \
        'void callback(void) FENBY_REALTIME; void callback(void) { helper(); }' >"$folder/wrong.c"
    if "$@" "$folder/wrong.c" 2>"$folder/said" || ! grep -q "'nonblocking' attribute must not call" "$folder/said"; then
        bad "the compiler lets pass: $statement"
    else
        good
    fi
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
set -- "$@" -fsyntax-only -Werror=function-effects
refuses 'block = malloc(9);' "$@"
refuses 'free(block);' "$@"
refuses 'pthread_mutex_lock(&lock);' "$@"
refuses 'puts("no");' "$@"

for source in dsp/*.c nn/*.c plugin/*.c jack_client/*.c; do
    check "$source" "$@" "$source"
done
echo "$(cat ./*/*.h | grep -c 'FENBY_REALTIME;') marked functions"
report
